"""From where each partition is read on when it becomes ours.

Kafka knows what was acknowledged, Redis what it still holds. Where Redis may lack what was acknowledged,
reading begins before that; what it does hold, the guards make harmless to read again.

    nothing lost                       the committed offset, or just past the watermark when that lags
    a server restarted or failed over  `safety` of record time before the watermark
    no watermark                       24 hours ago: as long as any session lasts
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from schemas.session import AGE_MS, Position
from serving.state.patience import Patience
from serving.state.sessions import SessionStore
from serving.state.watermarks import Watermark, Word
from stream.course import Course
from stream.drafting import Surroundings
from stream.metrics import Metrics
from stream.watermarks import Watermarks

log = logging.getLogger(__name__)

_SAFETY_LEAST_MS: Final = 15_000


class Cause(StrEnum):
    BEHIND = "behind"  # nothing is lost: a watermark is written later than an offset is committed
    REPLACED = "replaced"
    MISSING = "missing"


class Tells(Protocol):
    """What this file needs of serving.state's Log."""

    async def starts(self, partitions: Sequence[int]) -> dict[int, int]: ...

    async def since(self, times: Mapping[int, int]) -> dict[int, int]: ...


class Owns(Protocol):
    """What this file needs of the Ranking, which ranks for the lanes that are ours."""

    turn: asyncio.Lock

    def assign(self, again: Mapping[str, int]) -> None: ...

    def revoke(self, lanes: Iterable[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back the store's words about a lane make us go."""

    cause: Cause
    #: The first offset that some place does not know to be folded; None where none knows anything.
    offset: int | None
    #: Epoch ms of record time; None where the offset says it all.
    since: int | None
    #: What was folded before that time needs no further look.
    sure: int


@dataclass(frozen=True, slots=True)
class Start:
    offset: int
    #: What would be next, had nothing been lost.
    due: int
    mark: Watermark


def safety_ms(replica_lag_s: int) -> int:
    """What a failover may lose: a primary takes writes for so long without a replica that confirms them."""
    return max(_SAFETY_LEAST_MS, 1_500 * replica_lag_s)


def reach(words: Sequence[Word | None], now: int, safety_ms: int) -> Reach:
    marks = [word.mark for word in words if word is not None]
    times = [word.mark.record_time - safety_ms for word in words if word is not None and not word.holds]
    cause = Cause.REPLACED if times else Cause.BEHIND
    if len(marks) < len(words):
        times, cause = [*times, now - AGE_MS], Cause.MISSING
    offset = min((mark.offset + 1 for mark in marks), default=None)
    sure = min([*times, *(mark.record_time for mark in marks)])
    return Reach(cause, offset, min(times, default=None), sure)


def start(committed: int | None, first: int, back: Reach, since: int | None) -> Start:
    """`first` is where the log begins, `since` the first record in the time to be read again, if there is one."""
    due = first if committed is None else min(committed, committed if back.offset is None else back.offset)
    offset = max(first, min(due, due if since is None else since))
    return Start(offset, due, Watermark(offset - 1, back.sure))


class Rewind:
    def __init__(
        self,
        store: SessionStore,
        tells: Tells,
        same_topic: Callable[[], Awaitable[None]],
        course: Course,
        watermarks: Watermarks,
        ranking: Owns,
        patience: Patience,
        around: Surroundings,
        epoch: str,
        safety_ms: int,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._tells = tells
        self._same_topic = same_topic
        self._course = course
        self._watermarks = watermarks
        self._ranking = ranking
        self._patience = patience
        self._around = around
        self._epoch = epoch
        self._safety_ms = safety_ms
        self._metrics = metrics
        self._committed: dict[int, int] = {}

    async def begin(self, generation: int, committed: Mapping[int, int | None]) -> dict[int, int]:
        """By partition, the offset to be read next. The consumer may ask again in the same generation.

        No fold is under way meanwhile: one that was read under the old generation and done under the servers of
        the new one would set its guard past what is about to be read again.
        """
        async with self._ranking.turn:
            if not self._course.is_in(generation):
                await self._patience.run("finding where to read on", lambda: self._begin(generation, committed))
            return self._watermarks.positions()

    def is_rewinding(self) -> bool:
        """What was committed before is still being read again. May be asked from any thread."""
        positions = self._watermarks.positions()
        return any(positions.get(partition, until) < until for partition, until in self._committed.items())

    def end(self) -> None:
        """A rebalance: another may own these now, and finds what we marked and wrote."""
        self._ranking.revoke(map(self._lane, self._watermarks.positions()))
        self._course.end()
        self._watermarks.release()

    async def _begin(self, generation: int, committed: Mapping[int, int | None]) -> None:
        await self._same_topic()
        survey = await self._store.survey([self._lane(partition) for partition in committed])
        firsts = await self._tells.starts(list(committed))
        now = self._around.now()
        backs = {at: reach(survey.words[self._lane(at)], now, self._safety_ms) for at in committed}
        since = await self._tells.since({at: back.since for at, back in backs.items() if back.since is not None})
        starts = {at: start(committed[at], firsts[at], backs[at], since.get(at)) for at in committed}
        await self._watermarks.claim(survey, {at: each.mark for at, each in starts.items()}, self._around.new_id())
        self._course.begin(generation, {at: each.offset for at, each in starts.items()})
        self._committed = {at: offset for at, offset in committed.items() if offset is not None}
        self._ranking.assign(
            {
                self._lane(at): self._again(at, starts[at], firsts[at], backs[at].cause, committed[at])
                for at in committed
            }
        )

    def _again(self, partition: int, begun: Start, first: int, cause: Cause, committed: int | None) -> int:
        """The offset below which lists are published once more; on the way, says what is unusual about a start."""
        if committed is None:
            return 0
        needed = committed if cause is Cause.BEHIND else begun.due
        if needed < first:
            self._course.tell_lost(partition, needed, first)
        if begun.offset >= committed:
            return 0
        self._metrics.rewinds.labels(cause).inc()
        if cause is Cause.BEHIND:
            return 0
        log.warning(
            "partition %d is read again from offset %d to %d, since in Redis %s",
            partition, begun.offset, committed, _WHY[cause],
        )  # fmt: skip
        return committed

    def _lane(self, partition: int) -> str:
        return Position(self._epoch, partition, 0).lane


_WHY: Final = {
    Cause.REPLACED: "a server was replaced, and may lack the last of what was folded",
    Cause.MISSING: "there is no word of what was folded",
}
