"""What the transformer itself finds near the session's last items: neighbours of its item vectors."""

from __future__ import annotations

from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking import arrays as packed
from serving.ranking.likeness import few, nearest
from serving.ranking.neighbours import Neighbours
from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.sources.source import Arrays, Candidates
from serving.ranking.tally import sealed

NEIGHBOURS: Final = 100
#: How much each of the session's last items says, the last one first.
RECENCY: Final = tuple(1 / position for position in range(1, 11))


class Transformer:
    name: ClassVar[str] = "transformer"
    quota: ClassVar[int] = 80
    weight: ClassVar[float] = 0.3
    counted: ClassVar[bool] = False

    def __init__(self, neighbours: Neighbours, recency: NDArray[np.float32]) -> None:
        self._neighbours = neighbours
        self._recency = recency

    @classmethod
    def fit(cls, past: Past) -> Self:
        """Nobody's neighbours before there is a model."""
        vectors = past.vectors if past.vectors is not None else np.zeros((len(past.table), 1), dtype=np.float16)
        neighbours = Neighbours.make(*nearest(vectors.astype(np.float32), few(NEIGHBOURS, len(vectors))))
        return cls(neighbours, sealed(np.array(RECENCY, dtype=np.float32)))

    @classmethod
    def read(cls, arrays: Arrays, catalogue: int) -> Self:
        return cls(Neighbours.read(arrays, catalogue), packed.finite(arrays, "recency", (np.float32,)))

    def arrays(self) -> Arrays:
        return self._neighbours.arrays() | {"recency": self._recency}

    def candidates(self, query: Query, limit: int) -> Candidates:
        return Candidates(*self._neighbours.vote(query.items, self._recency, limit))
