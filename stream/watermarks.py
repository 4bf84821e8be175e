"""Our partitions' watermarks: once a second Redis is told up to where each is folded.

Not with every batch, since a watermark that lags costs only that much reading after a loss. It never runs ahead:
what it names was confirmed before, and between the two nothing is folded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from schemas.errors import InvariantError, RedisError
from schemas.session import Position
from serving.state.sessions import SessionStore, Work
from serving.state.watermarks import Held, Survey, Watermark
from stream.intake import Delivery
from stream.metrics import Metrics

log = logging.getLogger(__name__)

EVERY_S: Final = 1.0
#: Those that stand still are written again, so that they outlive a quiet hour.
_AFRESH_S: Final = 60.0


class Watermarks:
    """Of one generation of the consumer group. Its caller holds the ranking's turn: no fold is under way."""

    def __init__(self, store: SessionStore, epoch: str, clock: Callable[[], float], metrics: Metrics) -> None:
        self._store = store
        self._epoch = epoch
        self._clock = clock
        self._metrics = metrics
        self._owner = ""
        self._marks: dict[int, Watermark] = {}
        #: What Redis was told, and when it was last told all of it.
        self._told: dict[int, Watermark] = {}
        self._all_told_at = clock()
        #: Sessions folded since Redis last said that the watermarks are where we put them, and profiles begun since:
        #: one that was there before has more in it than the last day, and nobody could bring that back.
        self._touched: set[str] = set()
        self._begun: set[str] = set()

    async def claim(self, survey: Survey, marks: Mapping[int, Watermark], owner: str) -> None:
        """RedisError when the survey is outdated, or Redis away: look again, and claim again."""
        self.release()
        if not await self._store.claim(survey, self._by_lane(marks), owner):
            raise RedisError("Redis has changed since its watermarks were read; they are read again")
        self._owner, self._marks, self._all_told_at = owner, dict(marks), self._clock()
        self._note_told(marks)

    def release(self) -> None:
        for partition in self._told:
            self._metrics.watermark_age.remove(str(partition))
        self._marks, self._told = {}, {}
        self._forget_touched()

    def positions(self) -> dict[int, int]:
        """From where each partition is read on, should the consumer have to be set again."""
        return {partition: mark.offset + 1 for partition, mark in self._marks.items()}

    def folded(self, batch: Sequence[Delivery], works: Sequence[Work], begun: Sequence[str] = ()) -> None:
        """These are confirmed. A batch of a generation that has ended tells nothing any more."""
        last = {delivery.partition: delivery for delivery in batch}
        for partition in last.keys() & self._marks.keys():
            offset, record_time = last[partition].offset, last[partition].record_time
            self._marks[partition] = Watermark(offset, max(0, record_time) or self._marks[partition].record_time)
        self._touched.update(work.session_id for work in works)
        self._begun.update(begun)

    async def run(self, turn: asyncio.Lock) -> None:
        """Until cancelled. Redis may be away for a while: whoever folds then decides how long."""
        while True:
            await asyncio.sleep(EVERY_S)
            async with turn:
                try:
                    await self.write()
                except RedisError as error:
                    log.debug("watermarks are not written: %s", error)

    async def write(self) -> None:
        """InvariantError when they are not where we put them: Redis was emptied."""
        afresh = self._clock() - self._all_told_at > _AFRESH_S
        due = {at: mark for at, mark in self._marks.items() if afresh or mark != self._told[at]}
        if not due:
            return
        held = await self._store.advance(self._by_lane(due), self._owner)
        if Held.GONE in held.values():
            await self._start_over()
        self._forget_touched()
        # Where another has claimed a lane, Kafka has not yet told us that it is no longer ours.
        self._note_told({at: mark for at, mark in due.items() if held[self._lane(at)] is Held.MOVED})
        if afresh:
            self._all_told_at = self._clock()

    async def _start_over(self) -> None:
        """What we folded since was folded onto nothing, and its guards would hide what went before."""
        await self._store.discard(list(self._touched), list(self._begun))
        raise InvariantError(
            "Redis no longer holds the watermarks that it was given: it was emptied; start the worker again, and it "
            "makes the sessions anew from the last 24 hours of the clickstream"
        )

    def _forget_touched(self) -> None:
        self._touched.clear()
        self._begun.clear()

    def _note_told(self, marks: Mapping[int, Watermark]) -> None:
        now = self._clock()
        for partition in marks.keys() & self._marks.keys():  # the others were released meanwhile
            self._told[partition] = marks[partition]
            self._metrics.watermark_age.labels(str(partition)).set_function(lambda: self._clock() - now)

    def _by_lane(self, marks: Mapping[int, Watermark]) -> dict[str, Watermark]:
        return {self._lane(partition): mark for partition, mark in marks.items()}

    def _lane(self, partition: int) -> str:
        return Position(self._epoch, partition, 0).lane
