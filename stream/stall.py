"""Is this worker stuck? A decision on values: what was seen before and what is seen now; the verdict comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from stream.progress import Lane

#: More is not counted between two looks: then we were not running ourselves, and nobody had the time to be stuck.
LONGEST_STEP_S: Final = 10.0
#: As many limits may pass without partitions. A rebalance waits 60 s for a member that is busy or frozen.
_LIMITS_UNASSIGNED: Final = 3


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be judged. Without lanes a rebalance goes on; an excuse stops the clock."""

    at: float
    lanes: tuple[Lane, ...] | None
    excuse: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """How long records of a partition have waited while nothing was acknowledged."""

    moved_at: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Watch:
    """What a look leaves for the next one."""

    at: float
    waits: Mapping[int, Wait] = field(default_factory=dict)
    unassigned_s: float = 0.0


def judge(watch: Watch, look: Look, limit_s: float) -> tuple[Watch, str | None]:
    """The next watch, and why this worker is stuck, if it is."""
    step_s = 0.0 if look.excuse else min(look.at - watch.at, LONGEST_STEP_S)
    if look.lanes is None:
        unassigned_s = watch.unassigned_s + step_s
        return Watch(look.at, unassigned_s=unassigned_s), _unassigned(unassigned_s, limit_s)
    # Where nobody knows the lag, records may wait: a partition that the client never fetched looks like that.
    behind = [lane for lane in look.lanes if lane.lag != 0]
    waits = {lane.partition: _wait(watch.waits.get(lane.partition), lane, step_s) for lane in behind}
    stuck = [lane for lane in behind if waits[lane.partition].seconds >= limit_s]
    return Watch(look.at, waits), _stuck(stuck, limit_s)


def _wait(before: Wait | None, lane: Lane, step_s: float) -> Wait:
    if before is None or lane.moved_at != before.moved_at:
        return Wait(lane.moved_at, 0.0)
    return Wait(lane.moved_at, before.seconds + step_s)


def _stuck(lanes: list[Lane], limit_s: float) -> str | None:
    if not lanes:
        return None
    which = ", ".join(f"{lane.partition} ({'unknown' if lane.lag is None else lane.lag})" for lane in lanes)
    return f"records wait on partitions {which}, and none of them was acknowledged for {limit_s:g} s"


def _unassigned(seconds: float, limit_s: float) -> str | None:
    if seconds < _LIMITS_UNASSIGNED * limit_s:
        return None
    return f"Kafka answers, but has not assigned partitions for {seconds:.0f} s"
