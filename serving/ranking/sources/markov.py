"""What most often comes right after the last item: a first-order Markov chain, nothing else remembered."""

from __future__ import annotations

from typing import ClassVar, Final, Self

import numpy as np

from serving.ranking import cooccurrence
from serving.ranking.cooccurrence import Pairs
from serving.ranking.neighbours import Neighbours
from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.sources.source import Arrays, Candidates
from serving.ranking.tally import sealed

NEIGHBOURS: Final = 100
_LAST: Final = sealed(np.ones(1, dtype=np.float32))


class Markov:
    name: ClassVar[str] = "markov"
    quota: ClassVar[int] = 30
    weight: ClassVar[float] = 0.3
    counted: ClassVar[bool] = True

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours

    @classmethod
    def fit(cls, past: Past, *, neighbours: int = NEIGHBOURS) -> Self:
        """Shares of the steps that leave an item, the ones back to itself among them."""
        sessions = past.sessions
        once = np.ones(len(sessions.items), dtype=np.float32)
        last = np.zeros(len(sessions.items), dtype=bool)
        last[sessions.starts[1:] - 1] = True
        left = np.bincount(sessions.items[~last], minlength=sessions.catalogue)
        pairs = Pairs(after=np.ones(1), before=np.zeros(0), itself=True)
        shares = 1 / np.maximum(left, 1)
        found = cooccurrence.neighbours(sessions, pairs, once, shares, np.ones(sessions.catalogue), neighbours)
        return cls(found)

    @classmethod
    def read(cls, arrays: Arrays, catalogue: int) -> Self:
        return cls(Neighbours.read(arrays, catalogue))

    def arrays(self) -> Arrays:
        return self._neighbours.arrays()

    def candidates(self, query: Query, limit: int) -> Candidates:
        return Candidates(*self._neighbours.vote(query.items, _LAST, limit))
