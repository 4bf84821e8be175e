"""The item table: which items a bundle knows, by which index its arrays mean them, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from schemas.wire import ItemId


class _Columns(Struct, frozen=True, forbid_unknown_fields=True):
    ids: tuple[ItemId, ...]
    titles: tuple[str, ...]


class Table:
    """Items in the order of their ids, so that the order of indices breaks ties as the contract asks."""

    def __init__(self, titles: Mapping[str, str]) -> None:
        self.ids: Final = tuple(sorted(titles))
        self.titles: Final = tuple(titles[item_id] for item_id in self.ids)
        self.index: Final = {item_id: index for index, item_id in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.ids)

    def title(self, item_id: str) -> str:
        """What a person calls the item; its id where the catalogue has no title for it."""
        index = self.index.get(item_id)
        return item_id if index is None else self.titles[index] or item_id

    def encode(self) -> bytes:
        return msgspec.json.encode(_Columns(self.ids, self.titles))

    @classmethod
    def decode(cls, data: bytes) -> Table:
        """The table in `data`. ValueError when it is none."""
        columns = msgspec.json.decode(data, type=_Columns)
        if len(columns.ids) != len(columns.titles):
            raise ValueError(f"{len(columns.ids)} ids and {len(columns.titles)} titles")
        table = cls(dict(zip(columns.ids, columns.titles, strict=True)))
        if table.ids != columns.ids:
            raise ValueError("the ids are not in order, each once")
        return table
