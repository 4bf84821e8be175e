"""In which order a partition's records must come, and what it means when they do not.

What makes a redelivery, a rewind and a zombie harmless is that every owner of a partition folds a run without
a hole, begun at or before what is folded already. So nothing is folded until it is known that nothing is
missing before it: Faust, and the client under it, have each been seen to step over records after a rebalance.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.errors import InvariantError
from serving.state.patience import Patience
from stream.intake import Delivery
from stream.metrics import Metrics

log = logging.getLogger(__name__)


class Holds(Protocol):
    """What this file needs of serving.state's Log."""

    async def starts(self, partitions: Sequence[int]) -> dict[int, int]: ...

    async def next(self, partition: int, offset: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Jump:
    """A record that came before its turn."""

    partition: int
    expected: int
    delivered: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets that were stepped over and hold no record: because none was ever there, or because it is gone."""

    holes: int
    lost: int


def judge(jump: Jump, start: int, following: int | None) -> Gap:
    """InvariantError where Kafka holds a record that was stepped over.

    `start` is where the log begins by now, `following` its first record from the expected offset or its start
    on; None where even the one in hand has left it.
    """
    here = min(max(jump.expected, start), jump.delivered)
    if following is not None and following != jump.delivered:
        raise InvariantError(
            f"partition {jump.partition}: offset {jump.expected} was expected, {jump.delivered} was delivered, and "
            f"Kafka holds a record at {following}; nothing is lost, for it was not acknowledged: start the worker again"
        )
    return Gap(holes=jump.delivered - here, lost=here - jump.expected)


class Course:
    """Which generation of the consumer group is ours, and in it each partition's next offset."""

    def __init__(
        self, holds: Holds, same_topic: Callable[[], Awaitable[None]], patience: Patience, metrics: Metrics
    ) -> None:
        self._holds = holds
        self._same_topic = same_topic
        self._patience = patience
        self._metrics = metrics
        self._generation: int | None = None
        self._expected: dict[int, int] = {}

    def begin(self, generation: int, starts: Mapping[int, int]) -> None:
        self._generation, self._expected = generation, dict(starts)

    def end(self) -> None:
        """A rebalance: from here on, whatever is under way is no longer ours."""
        self._generation = None

    def is_in(self, generation: int) -> bool:
        return generation == self._generation

    async def follow(self, taken: Sequence[Delivery]) -> list[Delivery]:
        """Those of this generation, with nothing missing before any of them.

        What an earlier one left in the queue was not acknowledged, so whoever owns its partition receives it too.
        """
        batch = [delivery for delivery in taken if self.is_in(delivery.generation)]
        for delivery in batch:
            expected = self._expected[delivery.partition]
            if delivery.offset > expected:
                await self._step_over(Jump(delivery.partition, expected, delivery.offset))
            elif delivery.offset < expected:
                # It is delivered again; or the topic was made anew, and its offsets count from 0 again.
                await self._patience.run("asking for the topic's id", self._same_topic)
            self._expected[delivery.partition] = delivery.offset + 1
        return batch

    async def _step_over(self, jump: Jump) -> None:
        gap = await self._patience.run("reading what was stepped over", lambda: self._look(jump))
        self._metrics.holes.inc(gap.holes)
        if gap.lost:
            self.tell_lost(jump.partition, jump.expected, jump.expected + gap.lost)

    async def _look(self, jump: Jump) -> Gap:
        start = (await self._holds.starts([jump.partition]))[jump.partition]
        gone = start > jump.delivered
        following = None if gone else await self._holds.next(jump.partition, max(jump.expected, start))
        return judge(jump, start, following)

    def tell_lost(self, partition: int, first: int, until: int) -> None:
        """Kafka deleted them before they were read: retention, or somebody's order."""
        self._metrics.lost.inc(until - first)
        log.error(
            "partition %d: offsets %d to %d left Kafka before they were folded, %d at most are lost; let the topic "
            "keep its records for longer than workers may be away or behind (retention.ms, retention.bytes)",
            partition, first, until - 1, until - first,
        )  # fmt: skip
