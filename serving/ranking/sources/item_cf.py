"""Items that the same sessions hold, wherever in them: item-to-item collaborative filtering by cosine."""

from __future__ import annotations

from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking import arrays as packed
from serving.ranking import cooccurrence
from serving.ranking.cooccurrence import Pairs
from serving.ranking.neighbours import Neighbours
from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.sources.source import Arrays, Candidates
from serving.ranking.tally import sealed

#: A session's different items that count as held together: a robot's thousands are no company.
WINDOW: Final = 50
#: Added to an item's sessions before they are divided by: together once proves little, however rare the items.
SHRINK: Final = 10.0
NEIGHBOURS: Final = 100
RECENCY: Final = tuple(position**-1.5 for position in range(1, 11))


class ItemCf:
    name: ClassVar[str] = "item_cf"
    quota: ClassVar[int] = 30
    weight: ClassVar[float] = 0.3
    counted: ClassVar[bool] = True

    def __init__(self, neighbours: Neighbours, recency: NDArray[np.float32]) -> None:
        self._neighbours = neighbours
        self._recency = recency

    @classmethod
    def fit(cls, past: Past, *, shrink: float = SHRINK, neighbours: int = NEIGHBOURS) -> Self:
        """Sessions with both, by the geometric mean of the sessions with either."""
        held = cooccurrence.sets(past.sessions)
        norms = (np.bincount(held.items, minlength=held.catalogue) + shrink).astype(np.float64) ** -0.5
        once = np.ones(len(held.items), dtype=np.float32)
        alike = np.ones(WINDOW)
        pairs = Pairs(after=alike, before=alike)
        found = cooccurrence.neighbours(held, pairs, once, norms, norms, neighbours)
        return cls(found, sealed(np.array(RECENCY, dtype=np.float32)))

    @classmethod
    def read(cls, arrays: Arrays, catalogue: int) -> Self:
        return cls(Neighbours.read(arrays, catalogue), packed.finite(arrays, "recency", (np.float32,)))

    def arrays(self) -> Arrays:
        return self._neighbours.arrays() | {"recency": self._recency}

    def candidates(self, query: Query, limit: int) -> Candidates:
        return Candidates(*self._neighbours.vote(query.items, self._recency, limit))
