"""Catalogue files: items in the catalogue item's field names, in the formats of event logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from schemas import wire
from schemas.errors import DataError
from schemas.item import Item
from training.rows import Rows, form

#: Between the steps of a category's path in a cell of CSV.
_STEP: Final = ">"
_NOT_IN_CELLS: Final = frozenset({"attrs"})


class Catalogue:
    """Items as a stream; rows left out are counted here by what was wrong with them."""

    def __init__(self, path: Path, columns: Mapping[str, str] | None = None) -> None:
        renamed = columns or {}
        self.faults: Counter[str] = Counter()
        self._path = path
        self._names = {name: renamed.get(name, name) for name in ("schema", *Item.__struct_fields__)}
        Rows(path, self.faults)

    def __iter__(self) -> Iterator[Item]:
        self.faults.clear()
        text = form(self._path) != "ndjson"
        for row in Rows(self._path, self.faults, {self._names["item_id"]}):
            fields = {name: row.values[column] for name, column in self._names.items() if column in row.values}
            try:
                yield _item(fields, text)
            except DataError as error:
                self.faults[error.reason] += 1


def _item(fields: dict[str, Any], text: bool) -> Item:
    if text:
        fields = {name: value for name, value in fields.items() if name not in _NOT_IN_CELLS}
        if "category" in fields:
            fields["category"] = [step.strip() for step in fields["category"].split(_STEP)]
    try:
        return msgspec.convert(fields, Item, strict=not text, dec_hook=wire.read_special)
    except msgspec.ValidationError as error:
        raise DataError("invalid", str(error)) from None
