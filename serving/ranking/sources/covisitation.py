"""Items that the same sessions touch close together: item-to-item co-visitation of the session's last items."""

from __future__ import annotations

from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking import arrays as packed
from serving.ranking import cooccurrence
from serving.ranking.cooccurrence import Pairs
from serving.ranking.decay import counts, faded, span_ms
from serving.ranking.neighbours import Neighbours
from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.sources.source import Arrays, Candidates
from serving.ranking.tally import sealed

#: How far apart two events of a session may stand and still count as together, each place apart counting less.
WINDOW: Final = 10
#: What a pair counts read against the order it was clicked in.
BACKWARD: Final = 0.5
#: After this share of the log's span a pair counts half.
HALF_LIFE_SHARE: Final = 0.5
#: Added to an item's count before it is divided by: a pair seen once proves little, however rare its items.
SHRINK: Final = 20.0
#: Of an item's count, the power that its neighbours' scores are divided by as a voter and as a candidate. Together 1:
#: then a score is a share, the same in a log of a day and in one of a year.
VOTER: Final = 0.7
CANDIDATE: Final = 0.3
NEIGHBOURS: Final = 100
#: How much each of the session's last items says, the last one first.
RECENCY: Final = tuple(position**-1.5 for position in range(1, 11))


class Covisitation:
    name: ClassVar[str] = "covisitation"
    quota: ClassVar[int] = 100
    weight: ClassVar[float] = 1.0
    counted: ClassVar[bool] = True

    def __init__(self, neighbours: Neighbours, recency: NDArray[np.float32]) -> None:
        self._neighbours = neighbours
        self._recency = recency

    @classmethod
    def fit(
        cls,
        past: Past,
        *,
        window: int = WINDOW,
        backward: float = BACKWARD,
        half_life_share: float = HALF_LIFE_SHARE,
        shrink: float = SHRINK,
        neighbours: int = NEIGHBOURS,
    ) -> Self:
        sessions = past.sessions
        near = 1 / np.arange(1, window + 1)
        weights = faded(sessions.times, half_life_share * span_ms(sessions.times))
        norms = counts(sessions.items, weights, sessions.catalogue) + shrink * (weights.mean() if len(weights) else 1.0)
        pairs = Pairs(after=near, before=backward * near, itself=True)
        found = cooccurrence.neighbours(
            sessions, pairs, weights.astype(np.float32), norms**-VOTER, norms**-CANDIDATE, neighbours
        )
        return cls(found, sealed(np.array(RECENCY, dtype=np.float32)))

    @classmethod
    def read(cls, arrays: Arrays, catalogue: int) -> Self:
        return cls(Neighbours.read(arrays, catalogue), packed.finite(arrays, "recency", (np.float32,)))

    def arrays(self) -> Arrays:
        return self._neighbours.arrays() | {"recency": self._recency}

    def candidates(self, query: Query, limit: int) -> Candidates:
        return Candidates(*self._neighbours.vote(query.items, self._recency, limit))
