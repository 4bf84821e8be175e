"""What is on the rise: the items whose share of the shop's clicks has grown most of late."""

from __future__ import annotations

from typing import ClassVar, Final, Self

import numpy as np

from serving.ranking.decay import counts, faded, span_ms
from serving.ranking.leaders import Leaders
from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.sources.source import Arrays, Candidates

#: Lately, as a half-life: of the log's span, at most a week. It is held against the whole log, all clicks alike.
HALF_LIFE_SHARE: Final = 0.05
HALF_LIFE_MAX_MS: Final = 7 * 24 * 3_600_000


class Trending:
    name: ClassVar[str] = "trending"
    quota: ClassVar[int] = 20
    weight: ClassVar[float] = 0.05
    counted: ClassVar[bool] = True

    def __init__(self, leaders: Leaders) -> None:
        self._leaders = leaders

    @classmethod
    def fit(cls, past: Past, *, half_life_ms: float | None = None) -> Self:
        """The late share less the long one, where that is a rise."""
        items, times, catalogue = past.sessions.items, past.sessions.times, past.sessions.catalogue
        if half_life_ms is None:
            half_life_ms = min(HALF_LIFE_SHARE * span_ms(times), HALF_LIFE_MAX_MS)
        weights = faded(times, half_life_ms)
        late = counts(items, weights, catalogue) / max(weights.sum(), 1)
        long = np.bincount(items, minlength=catalogue) / max(len(items), 1)
        return cls(Leaders.make(np.where(late > long, late - long, -1)))

    @classmethod
    def read(cls, arrays: Arrays, catalogue: int) -> Self:
        return cls(Leaders.read(arrays, catalogue))

    def arrays(self) -> Arrays:
        return self._leaders.arrays()

    def candidates(self, query: Query, limit: int) -> Candidates:
        return Candidates(*self._leaders.first(limit))
