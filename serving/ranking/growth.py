"""A table that grows: what the catalogue says of its items now, and what came after it was made.

It is told item by item, and costs what differs. A table is made of it now and then, and is as fixed as any other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.item import Item
from serving.ranking.table import Table, hashed
from serving.ranking.texts import Texts

_NONE: Final = -1
#: The columns of a table that a catalogue may change, in the order of a row.
_COLUMNS: Final = ("categories", "brands", "created", "prices")

#: Category and brand by their codes, time of creation, price: as a table has them.
Row = tuple[int, int, int, float]


class Growth:
    def __init__(self, table: Table) -> None:
        self._table: Final = table
        self._paths: Final = {path: code for code, path in enumerate(table.paths)}
        self._brands: Final = {name: code for code, name in enumerate(table.brand_names)}
        self._columns = [table.arrays()[name] for name in _COLUMNS]
        self._views = [column.data for column in self._columns]
        self._titles: Final[dict[int, bytes]] = {}

    def tell(self, place: int, item: Item) -> bool:
        """Whether that is new of an item of the table."""
        row, title = self._row(item), item.title.encode()
        if _same(row, [view[place] for view in self._views]) and title == self._title(place):
            return False
        if self._columns[0] is self._table.categories:
            self._columns = [column.copy() for column in self._columns]
            self._views = [column.data for column in self._columns]
        for column, value in zip(self._columns, row, strict=True):
            column[place] = value
        if title == self._table.titles.coded(place):
            self._titles.pop(place, None)
        else:
            self._titles[place] = title
        return True

    def table(self, late: Sequence[Item]) -> Table:
        """As all was told so far; those that came `late`, in the order of their ids, lie at its end."""
        arrays = dict(self._table.arrays())
        rows = [self._row(item) for item in late]
        for at, (name, column) in enumerate(zip(_COLUMNS, self._columns, strict=True)):
            arrays[name] = np.concatenate((column, np.array([row[at] for row in rows], dtype=column.dtype)))
        ids = [item.item_id.encode() for item in late]
        _put(arrays, "ids", "id_starts", self._table.ids.grown({}, ids))
        _put(arrays, "titles", "title_starts", self._table.titles.grown(self._titles, [i.title.encode() for i in late]))
        _put(arrays, "steps", "step_starts", Texts.make(step for path in self._paths for step in path))
        arrays["path_starts"] = np.cumsum([0, *map(len, self._paths)], dtype=np.int64)
        _put(arrays, "brand_names", "brand_name_starts", Texts.make(self._brands))
        arrays["hashes"], arrays["hash_owners"] = self._hashes(ids)
        return Table(arrays, self._order(late) if late else None)

    def _row(self, item: Item) -> Row:
        category = self._paths.setdefault(item.category, len(self._paths)) if item.category else _NONE
        brand = self._brands.setdefault(item.brand, len(self._brands)) if item.brand else _NONE
        return category, brand, item.created_at or 0, float(np.float32(item.price or "nan"))

    def _title(self, place: int) -> bytes:
        told = self._titles.get(place)
        return self._table.titles.coded(place) if told is None else told

    def _hashes(self, ids: Sequence[bytes]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
        known, owners = self._table.arrays()["hashes"], self._table.arrays()["hash_owners"]
        late = np.array([hashed(coded) for coded in ids], dtype=np.uint64)
        order = np.argsort(late, kind="stable")
        places = np.searchsorted(known, late[order])
        numbers = (len(self._table) + order).astype(np.int32)
        return np.insert(known, places, late[order]), np.insert(owners, places, numbers)

    def _order(self, late: Sequence[Item]) -> NDArray[np.int32]:
        """Where everybody stands by the ids of all."""
        before = np.array([bisect_left(self._table.ids, item.item_id) for item in late])
        known = np.arange(len(self._table))
        shifted = known + np.searchsorted(before, known, side="right")
        return np.concatenate((shifted, before + np.arange(len(late)))).astype(np.int32)


def _same(row: Row, known: Sequence[Any]) -> bool:
    *codes, price = row
    unknown = price != price and known[-1] != known[-1]  # true of a NaN alone
    return codes == known[:-1] and (price == known[-1] or unknown)


def _put(arrays: dict[str, NDArray[Any]], texts: str, starts: str, made: Texts) -> None:
    arrays[texts], arrays[starts] = made.run, made.starts
