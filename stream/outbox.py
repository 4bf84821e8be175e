"""Lists on their way to the topic: the newest of each session, sent until Kafka has it.

An absent or slow topic holds nobody up: folding and ranking go on, a session's newer list takes the
place of its older one, and beyond a bound the longest waiting are left to the pending set in Redis.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from schemas.errors import KafkaError
from serving.state.producer import Outgoing
from serving.state.sessions import Mark
from stream.metrics import Metrics

log = logging.getLogger(__name__)

#: About 5 KB a list, so that a full outbox weighs 50 MB.
CAPACITY: Final = 10_000
_SEND_MAX: Final = 500
_PAUSE_S: Final = 1.0


class Sends(Protocol):
    async def send(self, records: Sequence[Outgoing]) -> object: ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """One list, or a null that takes a session's lists back."""

    session_id: str
    record: Outgoing
    #: Under which the session waits; None where it no longer does.
    mark: Mark | None = None
    #: Record time of the click it answers; None where it answers none.
    clicked_at: int | None = None
    #: When Redis had the list; None where there is none.
    stored_s: float | None = None


class Outbox:
    def __init__(self, producer: Sends, now: Callable[[], int], metrics: Metrics, capacity: int = CAPACITY) -> None:
        self._producer = producer
        self._now = now
        self._metrics = metrics
        self._capacity = capacity
        self._parcels: dict[str, Parcel] = {}
        self._wake = asyncio.Event()
        #: Kafka did not take the last that it was sent.
        self.waits = False

    def put(self, parcel: Parcel) -> tuple[Parcel | None, Parcel | None]:
        """The parcel whose place this one takes, and the one that had to go for want of room."""
        replaced = self._parcels.pop(parcel.session_id, None)
        dropped = None
        if len(self._parcels) >= self._capacity:
            dropped = self._parcels.pop(next(iter(self._parcels)))
        self._parcels[parcel.session_id] = parcel
        self._wake.set()
        return replaced, dropped

    def forget(self, session_ids: Iterable[str]) -> None:
        """Another worker answers for these now; what it says must not be followed by what we would have said."""
        for session_id in session_ids:
            self._parcels.pop(session_id, None)

    async def run(self, sent: Callable[[Sequence[Parcel]], None], replaced: Callable[[Parcel], None]) -> None:
        """Sends what lies here, until cancelled; tells `sent` what Kafka has, `replaced` what it need not have."""
        while True:
            await self._wake.wait()
            batch = [self._parcels.pop(name) for name in list(self._parcels)[:_SEND_MAX]]
            if not self._parcels:
                self._wake.clear()
            if not batch:
                continue
            try:
                await self._producer.send([parcel.record for parcel in batch])
            except KafkaError as error:
                self.waits = True
                log.warning("%d lists wait to be published: %s", len(batch) + len(self._parcels), error)
                for parcel in self._put_back(batch):
                    replaced(parcel)
                await asyncio.sleep(_PAUSE_S)
            else:
                self.waits = False
                self._observe(batch)
                sent(batch)

    def _put_back(self, batch: Sequence[Parcel]) -> list[Parcel]:
        """Before what came meanwhile, which is newer and wins; those that lost."""
        lost = [parcel for parcel in batch if parcel.session_id in self._parcels]
        self._parcels = {parcel.session_id: parcel for parcel in batch} | self._parcels
        self._wake.set()
        return lost

    def _observe(self, batch: Sequence[Parcel]) -> None:
        now = self._now()
        stored = (parcel.stored_s for parcel in batch if parcel.stored_s is not None)
        self._metrics.stages.each_ended("publish", stored)
        for parcel in batch:
            if parcel.clicked_at is not None:
                self._metrics.latency_seconds.observe(max(0, now - parcel.clicked_at) / 1000)
