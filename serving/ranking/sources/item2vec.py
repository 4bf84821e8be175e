"""Items that stand in the same company: vectors from co-occurrence, and for every item those nearest to it.

Levy and Goldberg (2014): what word2vec learns is a factorisation of shifted pointwise mutual information. Counted and
factorised directly it takes seconds, and reaches items that no session has yet shown together.
"""

from __future__ import annotations

from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking import arrays as packed
from serving.ranking import cooccurrence
from serving.ranking.compiled import compiled
from serving.ranking.cooccurrence import Pairs
from serving.ranking.likeness import few, nearest
from serving.ranking.neighbours import Neighbours
from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.sessions import Sessions
from serving.ranking.sources.source import Arrays, Candidates
from serving.ranking.tally import sealed

#: How far apart two events of a session may stand and still be company.
WINDOW: Final = 3
WIDTH: Final = 128
#: The power of an item's share of all company that it is expected by: below 1, rare items are surprising for less.
EXPECTED: Final = 0.5
#: The power of a cosine that an item votes with: the nearest say much more than the near.
SHARPNESS: Final = 6
NEIGHBOURS: Final = 100
RECENCY: Final = tuple(position**-1.5 for position in range(1, 11))
#: The items most touched that get vectors, the company kept of each, and all company together: 1 GB at the most.
ITEMS_MAX: Final = 200_000
COMPANY_MAX: Final = 400
PAIRS_MAX: Final = 20_000_000
#: Directions more than asked for, and rounds of multiplying: together they find the leading ones to a percent.
_SPARE: Final = 16
_ROUNDS: Final = 4


class Item2Vec:
    name: ClassVar[str] = "item2vec"
    quota: ClassVar[int] = 60
    weight: ClassVar[float] = 0.2
    counted: ClassVar[bool] = True

    def __init__(self, neighbours: Neighbours, recency: NDArray[np.float32]) -> None:
        self._neighbours = neighbours
        self._recency = recency

    @classmethod
    def fit(cls, past: Past, *, width: int = WIDTH, neighbours: int = NEIGHBOURS, seed: int = 0) -> Self:
        known, vectors = factorised(past.sessions, width, np.random.default_rng(seed))
        lengths, ids, likeness = nearest(vectors, few(neighbours, len(vectors)))
        every = np.zeros(past.sessions.catalogue, np.int64)
        every[known] = lengths
        found = Neighbours.make(every, known[ids], likeness**SHARPNESS)
        return cls(found, sealed(np.array(RECENCY, dtype=np.float32)))

    @classmethod
    def read(cls, arrays: Arrays, catalogue: int) -> Self:
        return cls(Neighbours.read(arrays, catalogue), packed.finite(arrays, "recency", (np.float32,)))

    def arrays(self) -> Arrays:
        return self._neighbours.arrays() | {"recency": self._recency}

    def candidates(self, query: Query, limit: int) -> Candidates:
        return Candidates(*self._neighbours.vote(query.items, self._recency, limit))


def factorised(
    sessions: Sessions, width: int, chance: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The items that get vectors, in order, and these (items, at most width)."""
    known, among = _most_touched(sessions)
    return known, _factorised(*_surprise(among), width, chance)


def _most_touched(sessions: Sessions) -> tuple[NDArray[np.int32], Sessions]:
    """The items that get vectors, in order, and the sessions as if there were no others."""
    counts = np.bincount(sessions.items, minlength=sessions.catalogue)
    first = np.argsort(-counts, kind="stable")[:ITEMS_MAX]
    known = np.sort(first[counts[first] > 0]).astype(np.int32)
    among = np.full(sessions.catalogue, -1, np.int32)
    among[known] = np.arange(len(known))
    kept = sessions.where(among[sessions.items] >= 0)
    items = among[kept.items]
    return known, Sessions(items, kept.types, kept.times, kept.starts, len(known), kept.clocked)


def _surprise(sessions: Sessions) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Where each item's row begins, the others in it, and by how much more they are its company than by chance."""
    alike = np.ones(WINDOW)
    pairs = Pairs(after=alike, before=alike)
    once = np.ones(len(sessions.items), dtype=np.float32)
    factors = np.ones(sessions.catalogue)
    most = min(COMPANY_MAX, PAIRS_MAX // max(sessions.catalogue, 1))
    lengths, ids, counts = cooccurrence.counted(sessions, pairs, once, factors, factors, most)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    totals = np.bincount(rows, counts, minlength=len(lengths))
    expected = totals**EXPECTED
    information = np.log(counts * expected.sum() / (totals[rows] * expected[ids]))
    return np.concatenate(([0], np.cumsum(lengths))), ids, np.maximum(information, 0).astype(np.float32)


def _factorised(
    starts: NDArray[np.int64],
    ids: NDArray[np.int32],
    values: NDArray[np.float32],
    width: int,
    chance: np.random.Generator,
) -> NDArray[np.float32]:
    """Vectors whose products come nearest to the values (Halko, Martinsson and Tropp, 2011)."""
    items = len(starts) - 1
    basis = chance.standard_normal((items, min(width + _SPARE, items)), dtype=np.float32)
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(_product(starts, ids, values, basis))[0]
    inner = basis.T @ _product(starts, ids, values, basis)
    weights, directions = np.linalg.eigh((inner + inner.T) / 2)
    leading = np.argsort(-np.abs(weights), kind="stable")[:width]
    vectors: NDArray[np.float32] = basis @ (directions[:, leading] * np.sqrt(np.abs(weights[leading])))
    return vectors


@compiled
def _product(
    starts: NDArray[np.int64], ids: NDArray[np.int32], values: NDArray[np.float32], dense: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The sparse matrix of the values times a dense one."""
    product = np.zeros(dense.shape, np.float32)
    for row in range(len(starts) - 1):
        for at in range(starts[row], starts[row + 1]):
            for column in range(dense.shape[1]):
                product[row, column] += values[at] * dense[ids[at], column]
    return product
