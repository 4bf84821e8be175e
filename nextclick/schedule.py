"""When each event of a log is due, and at what time it then claims to have happened. Pure.

The pace is open loop: a due time follows from the start and the log alone, never from when the last
event got away. So a slow broker is seen as lateness, not as a slower replay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from schemas.click import Click
from schemas.wire import EpochMs


@dataclass(frozen=True, slots=True)
class Pace:
    """`rate` events a second, or, without it, `speed` times the log's own pace."""

    rate: float | None = None
    speed: float = 1.0
    #: The log's own times are sent, instead of the times at which its events happen again.
    keep_time: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """One event, due so many seconds after the start."""

    after_s: float
    click: Click


def plan(clicks: Iterable[Click], pace: Pace, started: int) -> Iterator[Due]:
    """Each event in the order of the log; `started` is the epoch ms at which the first one is due."""
    first: int | None = None
    latest_s = 0.0
    for number, click in enumerate(clicks):
        first = click.ts if first is None else first
        # When it happens again, in seconds from the start.
        again_s = number / pace.rate if pace.rate else (click.ts - first) / 1000 / pace.speed
        # An event that lies before its predecessor is not due in the past, only sent with its own time.
        latest_s = max(latest_s, again_s)
        ts = click.ts if pace.keep_time else EpochMs(max(0, started + round(again_s * 1000)))
        yield Due(latest_s, replace(click, ts=ts))
