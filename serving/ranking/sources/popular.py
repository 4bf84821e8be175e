"""What the shop's visitors touched lately, everybody's clicks counted with a half-life."""

from __future__ import annotations

from typing import ClassVar, Final, Self

from serving.ranking.decay import counts, faded, span_ms
from serving.ranking.leaders import Leaders
from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.sources.source import Arrays, Candidates

#: Of the log's span; at most a week, so that a log of years still follows the season.
HALF_LIFE_SHARE: Final = 0.05
HALF_LIFE_MAX_MS: Final = 7 * 24 * 3_600_000


class Popular:
    name: ClassVar[str] = "popular"
    quota: ClassVar[int] = 20
    weight: ClassVar[float] = 0.1
    counted: ClassVar[bool] = True

    def __init__(self, leaders: Leaders) -> None:
        self._leaders = leaders

    @classmethod
    def fit(cls, past: Past, *, half_life_ms: float | None = None) -> Self:
        """Shares of all that was touched. Without a half-life given, one that suits the log's span."""
        items, times = past.sessions.items, past.sessions.times
        if half_life_ms is None:
            half_life_ms = min(HALF_LIFE_SHARE * span_ms(times), HALF_LIFE_MAX_MS)
        weights = faded(times, half_life_ms)
        shares = counts(items, weights, past.sessions.catalogue) / max(weights.sum(), 1)
        return cls(Leaders.make(shares))

    @classmethod
    def read(cls, arrays: Arrays, catalogue: int) -> Self:
        return cls(Leaders.read(arrays, catalogue))

    def arrays(self) -> Arrays:
        return self._leaders.arrays()

    def candidates(self, query: Query, limit: int) -> Candidates:
        return Candidates(*self._leaders.first(limit))
