"""What a bundle was made from, in figures: how long sessions are, when they were, how often items are touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking.sessions import DEEDS, Sessions
from serving.ranking.table import Table
from training.coverage import Spread, spread

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
WEEK_MS: Final = 7 * DAY_MS

#: Where one bin begins and the one before it ends: events of a session, and of an item.
_LENGTHS: Final = (1, 2, 3, 4, 5, 6, 11, 21, 51)
_TOUCHES: Final = (0, 1, 2, 5, 20, 100)
#: More steps than this nobody tells apart.
_STEPS_MAX: Final = 120

Histogram = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Events by their time, a count a step."""

    begin_ms: int
    step_ms: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    events: int
    sessions: int
    items: int
    #: By type, those that occur.
    types: Histogram
    #: Epoch ms of the first and the last event.
    first_ts: int
    last_ts: int
    #: Sessions by how many events they have, and what they have in the mean, in the middle, and at most.
    lengths: Histogram
    mean_length: float
    median_length: float
    longest: int
    #: Of all steps within sessions, those to the same item, and those to an item that the session has had.
    again: float
    repeats: float
    #: Items by how often they are touched, and how events fall on them.
    touches: Histogram
    spread: Spread
    #: Of all items, the share of which the catalogue says each.
    told: Mapping[str, float]
    #: None where the log has no times; events by the hour of their day (UTC) are 24, or none.
    timeline: Timeline | None
    hours: tuple[int, ...]

    @classmethod
    def of(cls, sessions: Sessions, table: Table) -> Self:
        """Of sessions with an event at least."""
        lengths, times = sessions.lengths, sessions.times
        counts = np.bincount(sessions.items, minlength=len(table))
        types = np.bincount(sessions.types, minlength=len(DEEDS)).tolist()
        again, repeats = _returns(sessions)
        return cls(
            events=len(times),
            sessions=len(sessions),
            items=len(table),
            types={deed: count for deed, count in zip(DEEDS, types, strict=True) if count},
            first_ts=int(times.min()),
            last_ts=int(times.max()),
            lengths=_binned(lengths, _LENGTHS),
            mean_length=float(lengths.mean()),
            median_length=float(np.median(lengths)),
            longest=int(lengths.max()),
            again=again,
            repeats=repeats,
            touches=_binned(counts, _TOUCHES),
            spread=spread(counts, np.argsort(-counts, kind="stable")),
            told=_told(table),
            timeline=_timeline(times) if sessions.clocked else None,
            hours=_hours(times) if sessions.clocked else (),
        )


def _returns(sessions: Sessions) -> tuple[float, float]:
    """Steps to the same item, and to one that the session has had, as shares of all steps."""
    owners, items = sessions.owners, sessions.items
    if not (steps := len(items) - len(sessions)):
        return 0.0, 0.0
    again = np.count_nonzero((owners[1:] == owners[:-1]) & (items[1:] == items[:-1]))
    different = len(np.unique(owners * (int(items.max()) + 1) + items))
    return int(again) / steps, (len(items) - different) / steps


def _binned(values: NDArray[np.int64], begins: Sequence[int]) -> Histogram:
    counts = np.bincount(np.searchsorted(begins, values, side="right"), minlength=len(begins) + 1)[1:].tolist()
    ends = [f"{begin}" if end == begin + 1 else f"{begin}-{end - 1}" for begin, end in pairwise(begins)]
    return dict(zip([*ends, f"{begins[-1]}+"], counts, strict=True))


def _timeline(times: NDArray[np.int64]) -> Timeline:
    """In hours, days or weeks; a log of many years in as many days as make few enough steps."""
    span = int(times.max() - times.min())
    whole = DAY_MS * -(-span // (_STEPS_MAX * DAY_MS))
    step = next((each for each in (HOUR_MS, DAY_MS, WEEK_MS) if span <= each * _STEPS_MAX), whole)
    steps = times // step
    first = int(steps.min())
    return Timeline(first * step, step, tuple(np.bincount(steps - first).tolist()))


def _hours(times: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(np.bincount(times // HOUR_MS % 24, minlength=24).tolist())


def _told(table: Table) -> Mapping[str, float]:
    columns = {
        "title": np.diff(table.titles.starts) > 0,
        "category": table.categories >= 0,
        "brand": table.brands >= 0,
        "price": ~np.isnan(table.prices),
        "created_at": table.created > 0,
    }
    return {name: float(told.mean()) for name, told in columns.items()}
