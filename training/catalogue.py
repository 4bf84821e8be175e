"""Catalogue files: items in the catalogue item's field names, in the formats of event logs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from schemas import wire
from schemas.errors import UsageError
from schemas.item import Item
from training.columns import Columns, form

#: Between the steps of a category's path in a cell of CSV.
_STEP: Final = ">"
_FIELDS: Final = ("schema", *Item.__struct_fields__)
_NEEDED: Final = frozenset({"item_id", "schema"})
_STRUCTURED: Final = frozenset({"category", "attrs"})
#: More digits than a time of ours has.
_EPOCH_MS: Final = re.compile(r"[0-9]{1,18}")
_PATH: Final = re.compile(r"`\$\.(\w+)")


class Catalogue:
    """Items as a stream; what was wrong is counted here by the field.

    An item is left out when its id is wrong, or a `vital` field of it; when another is, it comes without that field.
    """

    def __init__(self, path: Path, columns: Mapping[str, str] | None = None, vital: Collection[str] = ()) -> None:
        renamed = columns or {}
        if unknown := sorted(renamed.keys() - set(_FIELDS)):
            raise UsageError(f"an item has no field {', '.join(unknown)}; it has {', '.join(_FIELDS)}")
        absent = () if form(path) == "ndjson" else ("attrs",)
        self.faults: Counter[str] = Counter()
        names = {name: renamed.get(name, name) for name in _FIELDS if name not in absent}
        #: Items that are left out although it is known which they are.
        self.withheld: set[str] = set()
        self._vital = frozenset(vital)
        self._rows = Columns(path, names, self.faults, {names["item_id"], *renamed.values()}, _STRUCTURED)

    @property
    def unreadable(self) -> int:
        """Rows of which nobody can tell whose they are."""
        return sum(count for reason, count in self.faults.items() if reason not in _FIELDS)

    @property
    def refused(self) -> Counter[str]:
        """Rows that brought no item, by why."""
        return self.faults - self.left_out

    @property
    def left_out(self) -> Counter[str]:
        """Fields that items came without."""
        spared = set(_FIELDS) - self._vital - _NEEDED
        return Counter({name: count for name, count in self.faults.items() if name in spared})

    def __iter__(self) -> Iterator[Item]:
        self.faults.clear()
        self.withheld.clear()
        for frame in self._rows:
            for row in frame.drop("row").iter_rows(named=True):
                item = self._item({field: value for field, value in row.items() if value is not None})
                if item is not None:
                    yield item

    def _item(self, fields: dict[str, Any]) -> Item | None:
        if _EPOCH_MS.fullmatch(str(fields.get("created_at", ""))):
            fields["created_at"] = int(fields["created_at"])
        if isinstance(attrs := fields.get("attrs"), str):
            fields["attrs"] = _read(attrs)
        if isinstance(category := fields.get("category"), str):
            # A list of NDJSON, or what one cell holds.
            steps = _read(category)
            fields["category"] = steps if isinstance(steps, list) else [step.strip() for step in category.split(_STEP)]
        while True:
            try:
                return msgspec.convert(fields, Item, strict=False, dec_hook=wire.read_special)
            except msgspec.ValidationError as error:
                found = _PATH.search(str(error))
                name = found[1] if found else "item_id"
                self.faults[name] += 1
                if name in _NEEDED or fields.pop(name, None) is None:
                    return None
                if name in self._vital:
                    self.withheld.add(str(fields["item_id"]))
                    return None


def _read(text: str) -> object:
    """The JSON in it, or itself."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
