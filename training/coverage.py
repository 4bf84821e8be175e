"""How much of the catalogue the lists show, beside what shoppers do themselves: are all led to the same few items?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: The catalogue from the most touched item to the least: where each group ends, as a share of all items.
_GROUPS: Final[Mapping[str, float]] = {"first 1%": 0.01, "1-10%": 0.1, "10-50%": 0.5, "50-100%": 1.0}


@dataclass(frozen=True, slots=True)
class Spread:
    """How something that happens to items falls on the catalogue."""

    #: Of the catalogue, the share that it happens to at all.
    reached: float
    #: 0 where it happens to all items alike, near 1 where it happens to one alone.
    gini: float
    #: Of all times it happens, the share of each group of items; nothing where it never happens.
    groups: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Coverage:
    """The items that lists begin with, those that came next, and those that training had: each spread."""

    #: How many items of each list count.
    of: int
    lists: Spread
    targets: Spread
    training: Spread

    def report(self) -> dict[str, object]:
        return asdict(self)


def coverage(listed: NDArray[np.int32], targets: NDArray[np.int32], events: NDArray[np.int64]) -> Coverage:
    """`listed` (n, items of a list) and `targets` (n,), negative where there is none; `events` (items,) in training."""
    popular = np.argsort(-events, kind="stable")
    counts = (np.bincount(items[items >= 0], minlength=len(events)) for items in (listed.ravel(), targets))
    lists, came, had = (spread(each, popular) for each in (*counts, events))
    return Coverage(listed.shape[1], lists, came, had)


def spread(counts: NDArray[np.int64], popular: NDArray[np.int64]) -> Spread:
    """Of `counts`, one an item; `popular` are the items from the most touched to the least."""
    total, items = int(counts.sum()), len(counts)
    if not total:
        return Spread(0.0, 0.0, {})
    ends = [0, *(math.ceil(share * items) for share in _GROUPS.values())]
    within = [int(counts[popular[begin:end]].sum()) / total for begin, end in pairwise(ends)]
    return Spread(int((counts > 0).sum()) / items, _gini(counts), dict(zip(_GROUPS, within, strict=True)))


def _gini(counts: NDArray[np.int64]) -> float:
    ascending, items = np.sort(counts).astype(np.float64), len(counts)
    return float(2 * (ascending @ np.arange(1, items + 1)) / (items * ascending.sum()) - (items + 1) / items)
