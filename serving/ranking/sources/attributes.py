"""Items of the same kind: what stands on one shelf with the session's last items, by category, brand and price.

A shelf is all items of a category, of a brand, or of a category's cheapest fifth, second fifth and so on. On each
the items most touched lie in front, those that nobody has touched yet behind them.
"""

from __future__ import annotations

from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking import arrays as packed
from serving.ranking.compiled import compiled
from serving.ranking.decay import counts, faded, span_ms
from serving.ranking.neighbours import Neighbours, decoded
from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.sources.source import Arrays, Candidates
from serving.ranking.table import Table
from serving.ranking.tally import Indices, ballot, elected, latest, sealed, vote

#: Of each shelf, what lies in front.
FRONT: Final = 100
#: Parts of a category with as many items each, from cheap to dear.
BANDS: Final = 5
#: After this share of the log's span a click counts half in what lies in front.
HALF_LIFE_SHARE: Final = 0.05
#: Clicks that every item of a shelf is lent, so that one click more or less does not decide.
LENT: Final = 1.0
#: How much each of the session's last items says, the last one first.
RECENCY: Final = tuple(position**-1.5 for position in range(1, 6))
#: The shelves of an item: of its category, its brand, its price within the category.
_KINDS: Final = 3
_NO_SHELF: Final = -1


class Attributes:
    name: ClassVar[str] = "attributes"
    quota: ClassVar[int] = 20
    weight: ClassVar[float] = 0.1
    counted: ClassVar[bool] = True

    def __init__(self, shelves: NDArray[np.int32], fronts: Neighbours, recency: NDArray[np.float32]) -> None:
        self._shelves = shelves  # (catalogue * 3,) where item i's shelves stand from 3i on
        self._fronts = fronts  # a row a shelf
        self._recency = recency

    @classmethod
    def fit(cls, past: Past, *, front: int = FRONT, half_life_share: float = HALF_LIFE_SHARE) -> Self:
        sessions = past.sessions
        weights = faded(sessions.times, half_life_share * span_ms(sessions.times))
        touched = counts(sessions.items, weights, sessions.catalogue) + LENT
        shelves = _shelves(past.table)
        items = np.repeat(np.arange(sessions.catalogue, dtype=np.int32), _KINDS)[shelves.ravel() != _NO_SHELF]
        found = shelves.ravel()[shelves.ravel() != _NO_SHELF]
        shares = touched[items] / np.bincount(found, touched[items])[found]
        order = np.lexsort((items, -shares, found))  # shelf by shelf, the most touched first
        starts = np.searchsorted(found[order], np.arange(shelves.max(initial=_NO_SHELF) + 2))
        kept = order[np.arange(len(order)) - starts[found[order]] < front]
        lengths = np.minimum(np.diff(starts), front)
        fronts = Neighbours.make(lengths, items[kept], shares[kept].astype(np.float32), sessions.catalogue)
        return cls(sealed(shelves.ravel()), fronts, sealed(np.array(RECENCY, dtype=np.float32)))

    @classmethod
    def read(cls, arrays: Arrays, catalogue: int) -> Self:
        shelves = packed.vector(arrays, "shelves", (np.int32,), catalogue * _KINDS)
        fronts = Neighbours.read(arrays, catalogue, rows=int(shelves.max(initial=_NO_SHELF)) + 1)
        if shelves.min(initial=_NO_SHELF) < _NO_SHELF:
            raise ValueError(f"`shelves` holds a number below {_NO_SHELF}")
        return cls(shelves, fronts, packed.finite(arrays, "recency", (np.float32,)))

    def arrays(self) -> Arrays:
        return self._fronts.arrays() | {"shelves": self._shelves, "recency": self._recency}

    def candidates(self, query: Query, limit: int) -> Candidates:
        fronts = self._fronts
        knows = self._shelves, fronts.starts, fronts.ids, fronts.scores.view(np.uint16), self._recency
        return Candidates(*_candidates(*knows, query.items, limit))


def _shelves(table: Table) -> NDArray[np.int32]:
    """(catalogue, 3) Where each item stands, NO_SHELF where it has no such attribute."""
    kinds = [table.categories.astype(np.int64), table.brands.astype(np.int64), _bands(table.categories, table.prices)]
    shelves = np.full((len(table.categories), _KINDS), _NO_SHELF, dtype=np.int32)
    taken = 0
    for kind, codes in enumerate(kinds):
        known = codes != _NO_SHELF
        names, numbers = np.unique(codes[known], return_inverse=True)
        shelves[known, kind] = taken + numbers
        taken += len(names)
    return shelves


def _bands(categories: NDArray[np.int32], prices: NDArray[np.float32]) -> NDArray[np.int64]:
    """A number for the part of its category that an item's price falls in; equal prices fall in the same."""
    bands = np.full(len(categories), _NO_SHELF, dtype=np.int64)
    known = np.flatnonzero((categories != _NO_SHELF) & np.isfinite(prices))
    order = known[np.lexsort((prices[known], categories[known]))]
    sorted_categories, sorted_prices = categories[order], prices[order]
    starts = np.searchsorted(sorted_categories, sorted_categories)
    sizes = np.searchsorted(sorted_categories, sorted_categories, side="right") - starts
    new = np.ones(len(order), dtype=bool)
    new[1:] = (sorted_prices[1:] != sorted_prices[:-1]) | (sorted_categories[1:] != sorted_categories[:-1])
    places = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0)) - starts
    bands[order] = sorted_categories.astype(np.int64) * BANDS + places * BANDS // np.maximum(sizes, 1)
    return bands


@compiled
def _candidates(
    shelves: NDArray[np.int32],
    starts: NDArray[np.int64],
    ids: Indices,
    halves: NDArray[np.uint16],
    recency: NDArray[np.float32],
    session: NDArray[np.int32],
    limit: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    voters = latest(session, len(recency))
    most = 0
    for voter in voters:
        for shelf in shelves[_KINDS * voter : _KINDS * (voter + 1)]:
            if shelf != _NO_SHELF:
                most += starts[shelf + 1] - starts[shelf]
    table, known, sums, strongest = ballot(most)
    count = 0
    for at in range(len(voters)):
        for shelf in shelves[_KINDS * voters[at] : _KINDS * (voters[at] + 1)]:
            if shelf == _NO_SHELF:
                continue
            for to in range(starts[shelf], starts[shelf + 1]):
                if ids[to] != voters[at]:
                    worth = recency[at] * decoded(halves[to])
                    count = vote(table, known, sums, strongest, count, int(ids[to]), worth, at)
    return elected(table, known, sums, strongest, count, voters, limit)
