"""The endpoint's way into the clickstream: whatever it sends, it can say where it lies.

Kafka may be away, at the start as well as later: then nothing waits longer than the producer does, one
request at a time tries, and all others are told at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, Self

from schemas.errors import KafkaError
from schemas.session import Position
from schemas.settings import Settings
from schemas.topics import Topics
from serving.state import topics
from serving.state.producer import Outgoing, Placed, Producer, Undelivered

log = logging.getLogger(__name__)

#: How often Kafka is asked whether the topic is still the same, and how often while it is away.
_EVERY_S: Final = 30.0
_AWAY_S: Final = 1.0
#: To connect, and as long again for the answer.
_ASK_S: Final = 1.0


class Produces(Protocol):
    """What this file needs of a Producer."""

    async def start(self) -> None: ...

    async def send(self, records: Sequence[Outgoing]) -> list[Placed]: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Landed:
    """Where a record came to lie, and the time that it bears there."""

    position: Position
    record_time: int


class Clickstream:
    def __init__(self, producer: Produces, names: Topics, ask: Callable[[], Awaitable[str]]) -> None:
        """`ask` tells the topic's epoch."""
        self.names: Final = names
        self._producer = producer
        self._ask = ask
        self._epoch = ""
        self._connected = False
        #: By partition, the offset below which nothing new can come to lie, unless the topic was made anew.
        self._ends: dict[int, int] = {}
        self._sending = 0
        #: Kafka did not take the last that it was sent, or has not been reached yet.
        self.is_away = True
        self._doubted = asyncio.Event()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        names = Topics.named(settings.topic_prefix)
        ask = partial(asyncio.to_thread, topics.epoch, settings, names.clickstream, _ASK_S)
        return cls(Producer(settings, settings.events_wait_ms / 1000), names, ask)

    async def open(self) -> None:
        """KafkaError when Kafka does not answer, or lacks the topic."""
        if not self._connected:
            await self._producer.start()
            self._connected = True
        await self._look()

    async def run(self) -> None:
        """Opens it, as often as need be, and keeps the epoch up to date, until cancelled."""
        while True:
            try:
                await self.open()
            except KafkaError as error:
                self.is_away = True
                log.warning("no events are taken at the moment: %s", error)
            self._doubted.clear()
            await self._pause()

    async def send(self, records: Sequence[Outgoing]) -> list[Landed | None]:
        """Of each where it lies, or None where Kafka has not said in time that it has it; it may take it yet.

        Nothing is sent before the topic's epoch is known, which is part of where it lies. Offsets count from 0 again in
        a topic that was made anew. To those who compare positions all that is sent to it would be long known, so
        whatever lies below what was told before has the epoch asked for.
        """
        if not self._epoch or (self.is_away and self._sending):
            return [None] * len(records)
        ends = dict(self._ends)
        placed = await self._send(records)
        if any(place.offset < ends.get(place.partition, 0) for place in placed if place is not None):
            await self._look_again()
        return [None if place is None else self._landed(place) for place in placed]

    async def publish(self, session_id: str, body: bytes | None) -> bool:
        """Whether Kafka has it among the recommendations."""
        try:
            await self._producer.send([Outgoing(self.names.recommendations, session_id.encode(), body)])
        except KafkaError as error:
            log.warning("a list is not published: %s", error)
            return False
        return True

    async def close(self) -> None:
        """Whoever sent something has been told what became of it by now, so that nothing is lost with what is left."""
        if self._connected:
            with suppress(KafkaError):
                await self._producer.stop()

    async def _send(self, records: Sequence[Outgoing]) -> Sequence[Placed | None]:
        self._sending += 1
        placed: Sequence[Placed | None]
        try:
            placed = await self._producer.send(records)
            self.is_away = False
        except Undelivered as error:
            log.warning("%d events did not arrive: %s", error.placed.count(None), error)
            placed = error.placed
            self.is_away = True
            self._doubted.set()
        finally:
            self._sending -= 1
        return placed

    def _landed(self, place: Placed) -> Landed:
        self._ends[place.partition] = max(self._ends.get(place.partition, 0), place.offset + 1)
        return Landed(Position(self._epoch, place.partition, place.offset), place.record_time)

    async def _look_again(self) -> None:
        self._ends.clear()
        try:
            await self._look()
        except KafkaError as error:
            self._doubted.set()
            log.warning("the topic's epoch is not known at the moment: %s", error)

    async def _look(self) -> None:
        epoch = await self._ask()
        if self._epoch not in {"", epoch}:
            log.warning("the topic clickstream was made anew: its epoch was %s and is %s", self._epoch, epoch)
            self._ends.clear()
        self._epoch, self.is_away = epoch, False

    async def _pause(self) -> None:
        """Until it is time to ask again, which it is soon when something failed."""
        if not self.is_away:
            try:
                async with asyncio.timeout(_EVERY_S):
                    await self._doubted.wait()
            except TimeoutError:
                return
        await asyncio.sleep(_AWAY_S)
