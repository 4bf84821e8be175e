"""How far each partition of ours has come: what was read of it, what is acknowledged, what still waits.

The event loop writes here, the watchdog's thread reads. Every field is set in one step, so that a look in
between sees at worst a number that was right a moment ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

#: How long the client's word on a log end counts. It asks twice a second unless it still has records to hand over.
FRESH_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Heard:
    """What the Kafka client knows of a partition without asking anybody; None is what it does not know."""

    #: The next offset that it would hand over.
    position: int | None = None
    end: int | None = None
    #: Epoch ms of the fetch that told the end.
    end_at: int | None = None
    committed: int | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """One partition of ours at one moment."""

    partition: int
    #: Epoch ms. `moved_at` changes with every acknowledgement, and with nothing else.
    assigned_at: int
    moved_at: int
    read: int | None
    acknowledged: int | None
    heard: Heard
    #: Records that Kafka holds and we have not acknowledged; None: nobody knows.
    lag: int | None
    #: The age of the oldest of these.
    behind_s: float


@dataclass(slots=True)
class _Lane:
    assigned_at: int
    moved_at: int
    before: int | None = None
    read: int | None = None
    acknowledged: int | None = None
    #: Epoch ms: the record time from which on something waits, and when we last saw that nothing did.
    record_time: int | None = None
    clear_at: int | None = None


class Progress:
    """Bookkeeping alone: clocks come in, nobody is asked."""

    def __init__(self) -> None:
        self._lanes: dict[int, _Lane] | None = None

    def assign(self, partitions: Iterable[int], now_ms: int) -> None:
        """The assignment is complete: these are ours and no others. From here on the watchdog counts."""
        self._lanes = {partition: _Lane(now_ms, now_ms) for partition in partitions}

    def revoke(self) -> None:
        """A rebalance begins: nothing is ours until it is over."""
        self._lanes = None

    def read(self, partition: int, first: int, last: int, record_time: int) -> None:
        """The client handed these offsets over; `record_time` is that of the first."""
        lane = (self._lanes or {}).get(partition)
        if lane is None:
            return
        if lane.before is None:
            lane.before, lane.record_time = first - 1, record_time
        lane.read = last

    def acknowledged(self, partition: int, offset: int, record_time: int, now_ms: int) -> None:
        lane = (self._lanes or {}).get(partition)
        if lane is not None:
            lane.acknowledged, lane.record_time, lane.moved_at = offset, record_time, now_ms

    def look(self, heard: Mapping[int, Heard], now_ms: int) -> tuple[Lane, ...] | None:
        """Our partitions in their order; None while a rebalance goes on, or before the first has ended."""
        lanes = self._lanes
        if lanes is None:
            return None
        return tuple(_look(number, lanes[number], heard.get(number, Heard()), now_ms) for number in sorted(lanes))


def is_fresh(lane: Lane, now_ms: int) -> bool:
    """The client has heard from Kafka about this partition a moment ago."""
    heard_at = lane.heard.end_at
    return heard_at is not None and now_ms - heard_at <= FRESH_MS


def _look(number: int, lane: _Lane, heard: Heard, now_ms: int) -> Lane:
    lag = _lag(lane, heard)
    if lag == 0:
        lane.clear_at = now_ms
    return Lane(
        partition=number,
        assigned_at=lane.assigned_at,
        moved_at=lane.moved_at,
        read=lane.read,
        acknowledged=lane.acknowledged,
        heard=heard,
        lag=lag,
        behind_s=_behind_s(lane, now_ms),
    )


def _lag(lane: _Lane, heard: Heard) -> int | None:
    """What is to be handed over and what was handed over but not acknowledged.

    Not the distance from the last acknowledged offset to the log end: what lies there may be markers of
    transactions, or records that retention has removed, and nobody ever acknowledges those.
    """
    if heard.position is None or heard.end is None:
        return None
    ahead = max(0, heard.end - heard.position)
    if lane.read is None or lane.before is None:
        return ahead
    reached = lane.before if lane.acknowledged is None else lane.acknowledged
    return ahead + max(0, lane.read - reached)


def _behind_s(lane: _Lane, now_ms: int) -> float:
    """Since the last acknowledged record's time, or, if a pause followed it, since we last saw nothing wait."""
    since = max(lane.record_time or 0, lane.clear_at or 0) or lane.assigned_at
    return max(0, now_ms - since) / 1000
