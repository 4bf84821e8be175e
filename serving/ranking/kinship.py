"""What the catalogue says that two items have in common: words of their titles, category, brand and price.

Whom it finds stands on a shelf with the item, or shares words of its title; how alike they are is then told of each
by all that is known of both.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.ranking.query import Query
from serving.ranking.sources.attributes import FRONT, Attributes
from serving.ranking.sources.source import Source
from serving.ranking.table import Table
from serving.ranking.titles import Titles

#: What each says of how alike two items are.
_TITLE: Final = 1.0
_CATEGORY: Final = 1.0
_BRAND: Final = 0.5
_PRICE: Final = 0.25
#: Looked at: the items found by the title, and those on the three shelves of an item.
_BY_TITLE: Final = 200
_ON_SHELVES: Final = 3 * FRONT
_NONE: Final = -1


class Kinship:
    def __init__(self, table: Table, titles: Titles, shelves: Source | None, known: int) -> None:
        """Found are the first `known` items of the table; those behind them came later, and are only compared."""
        self._table: Final = table
        self._titles: Final = titles
        self._shelves: Final = shelves if isinstance(shelves, Attributes) else None
        self._known: Final = known
        self._paths: Final = table.paths
        #: For a newcomer, some item stands for its category and one for its brand.
        self._standing: Final = [_first(codes[:known]) for codes in (table.categories, table.brands)]

    def found(self, item: int) -> NDArray[np.int32]:
        """Who may be alike, each once; itself may be among them."""
        by_title = self._titles.near(item, _BY_TITLE)
        if self._shelves is None:
            return by_title
        asked = self._beside(item)
        beside = self._shelves.candidates(asking(*asked), _ON_SHELVES).ids
        return np.unique(np.concatenate((by_title, np.array(asked, dtype=np.int32), beside)))

    def _beside(self, item: int) -> list[int]:
        """Items on whose shelves it stands."""
        if item < self._known:
            return [item]
        codes = int(self._table.categories[item]), int(self._table.brands[item])
        return [standing[code] for standing, code in zip(self._standing, codes, strict=True) if code in standing]

    def likeness(self, item: int, others: NDArray[np.int32]) -> NDArray[np.float64]:
        """0 where nothing that is known of both is the same."""
        table = self._table
        path, brand, price = table.categories[item], table.brands[item], table.prices[item]
        found = _TITLE * self._titles.likeness(item, others).astype(np.float64)
        if path != _NONE:
            codes, places = np.unique(table.categories[others], return_inverse=True)
            own = self._paths[path]
            shares = [_share(own, self._paths[code]) if code != _NONE else 0.0 for code in codes.tolist()]
            found += _CATEGORY * np.array(shares)[places]
        if brand != _NONE:
            found += _BRAND * (table.brands[others] == brand)
        if price > 0:  # false of a NaN
            with np.errstate(divide="ignore"):
                steps = np.abs(np.log2(table.prices[others] / price))
            # Alike in price alone, nothing is alike.
            found += np.where(found > 0, _PRICE * np.nan_to_num(np.maximum(1 - steps, 0)), 0)
        return found


def asking(*items: int) -> Query:
    """As if a session had just looked at these, at no particular time."""
    zeros = np.zeros(len(items), dtype=np.int64)
    return Query(np.array(items, dtype=np.int32), zeros.astype(np.uint8), zeros, 0)


def _first(codes: NDArray[np.int32]) -> dict[int, int]:
    """Code -> the first item that has it."""
    known, places = np.unique(codes, return_index=True)
    return dict(zip(known.tolist(), places.tolist(), strict=True))


def _share(path: tuple[str, ...], other: tuple[str, ...]) -> float:
    """Of the steps of the longer path, those that both begin with."""
    same = 0
    for step, their in zip(path, other, strict=False):
        if step != their:
            break
        same += 1
    return same / max(len(path), len(other))
