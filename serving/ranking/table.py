"""The item table: which items a bundle knows, by which index its arrays mean them, and what it knows of each.

Everything is an array that may lie in a mapped file: a million items cost no Python object and no loop.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from hashlib import blake2b
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.item import Item
from serving.ranking import arrays as packed
from serving.ranking.texts import Texts

Arrays = Mapping[str, NDArray[Any]]

_ARRAYS: Final = (
    "ids", "id_starts", "titles", "title_starts", "categories", "steps", "step_starts", "path_starts",
    "brands", "brand_names", "brand_name_starts", "prices", "created", "hashes", "hash_owners",
)  # fmt: skip
#: What an item id may be: schemas.wire.ItemId, said of all at once.
_ID_MAX: Final = 128
_NONE: Final = -1
_NOBODY: Final = np.zeros(0, dtype=np.int32)
#: Stands for every item that the catalogue does not have: nothing is known of it.
_UNKNOWN: Final = Item(item_id="?")
_HASH_BYTES: Final = 8
#: Items whose names are kept at hand, in either direction.
_REMEMBERED: Final = 1 << 14
#: Ids looked up while reading, to see that their hashes are ours.
_PROBES: Final = 64


class Table:
    """Items in the order of their ids, so that the order of indices breaks ties as the contract asks.

    Of a grown table that is true of `order`: what came later lies at its end.
    """

    def __init__(self, arrays: Arrays, order: NDArray[np.int32] | None = None) -> None:
        """From arrays that hold together: of `make`, grown from such, or checked by `read`."""
        self._order: Final = order  # (items,)
        self.ids: Final = Texts(arrays["ids"], arrays["id_starts"])
        self.titles: Final = Texts(arrays["titles"], arrays["title_starts"])
        #: (items,) Codes of `category` and `brand`, -1 where there is none.
        self.categories: Final[NDArray[np.int32]] = arrays["categories"]
        self.brands: Final[NDArray[np.int32]] = arrays["brands"]
        #: (items,) NaN where unknown; in whatever currency the shop has.
        self.prices: Final[NDArray[np.float32]] = arrays["prices"]
        #: (items,) Epoch ms from which the item is a candidate, 0 where unknown.
        self.created: Final[NDArray[np.int64]] = arrays["created"]
        self._last_created: Final = int(self.created.max(initial=0))
        self._arrays: Final = {name: arrays[name] for name in _ARRAYS}
        self._steps: Final = Texts(arrays["steps"], arrays["step_starts"])
        self._paths: Final[NDArray[np.int64]] = arrays["path_starts"]  # (categories + 1,) into the steps
        self._brand_names: Final = Texts(arrays["brand_names"], arrays["brand_name_starts"])
        self._hashes: Final[NDArray[np.uint64]] = arrays["hashes"]  # (items,) ascending
        # A session's items come again with each of its clicks.
        self._known: Final = lru_cache(_REMEMBERED)(
            partial(_owner, self._hashes.data, arrays["hash_owners"].data, self.ids)
        )
        self._name: Final = lru_cache(_REMEMBERED)(self.ids.text)

    @classmethod
    def make(cls, ids: Iterable[str], catalogue: Mapping[str, Item] | None = None) -> Self:
        """Of these ids and everything in the catalogue."""
        known = catalogue or {}
        every = sorted({*ids, *known})
        items = [known.get(item_id, _UNKNOWN) for item_id in every]
        paths = sorted({item.category for item in items if item.category})
        brands = sorted({item.brand for item in items if item.brand})
        hashes = np.array([hashed(item_id.encode()) for item_id in every], dtype=np.uint64)
        owners = np.argsort(hashes, kind="stable")
        return cls(
            {
                **_packed("id", "ids", every),
                **_packed("title", "titles", (item.title for item in items)),
                **_packed("step", "steps", (step for path in paths for step in path)),
                **_packed("brand_name", "brand_names", brands),
                "path_starts": np.cumsum([0, *map(len, paths)], dtype=np.int64),
                "categories": _coded(paths, (item.category for item in items)),
                "brands": _coded(brands, (item.brand for item in items)),
                "prices": np.array([float(item.price or "nan") for item in items], dtype=np.float32),
                "created": np.array([item.created_at or 0 for item in items], dtype=np.int64),
                "hashes": hashes[owners],
                "hash_owners": owners.astype(np.int32),
            }
        )

    @classmethod
    def read(cls, arrays: Arrays) -> Self:
        """The table in these arrays. ValueError when they are none, KeyError with the name of one that is missing."""
        ids = _texts(arrays, "id", "ids")
        _check_ids(ids)
        if len(_texts(arrays, "title", "titles")) != len(ids):
            raise ValueError(f"`titles` do not name {len(ids)} items")
        _check_attributes(arrays, len(ids))
        _check_hashes(arrays, len(ids))
        table = cls(arrays)
        table._probe()
        return table

    def arrays(self) -> Arrays:
        return self._arrays

    def __len__(self) -> int:
        return len(self.ids)

    def find(self, item_ids: Sequence[str]) -> NDArray[np.int32]:
        """The index of each, -1 where the table has no such item."""
        return np.fromiter(map(self._known, item_ids), np.int32, len(item_ids))

    def _probe(self) -> None:
        probes = np.linspace(0, len(self) - 1, min(_PROBES, len(self)), dtype=np.int32)
        if (self.find([self.ids[probe] for probe in probes.tolist()]) != probes).any():
            raise ValueError("`hashes` are not those of the ids")

    def undated(self) -> Self:
        """The same without moments of creation: where the times of sessions are made up, they mean nothing."""
        return type(self)({**self._arrays, "created": np.zeros_like(self.created)})

    def created_after(self, now: int) -> NDArray[np.int32]:
        """Items that are announced, and no candidates yet."""
        if now >= self._last_created:
            return _NOBODY
        times, items = self._by_creation
        return items[np.searchsorted(times, now, side="right") :]

    @cached_property
    def _by_creation(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Made when it is first asked for: hardly a shop announces anything."""
        items = np.argsort(self.created, kind="stable").astype(np.int32)
        return self.created[items], items

    def order(self, items: NDArray[np.int32]) -> NDArray[np.int32]:
        """Where these stand by their ids."""
        return items if self._order is None else self._order[items]

    @property
    def paths(self) -> list[tuple[str, ...]]:
        """Of all categories, by their codes."""
        return [self.category(code) for code in range(len(self._paths) - 1)]

    @property
    def brand_names(self) -> list[str]:
        return list(self._brand_names)

    def id(self, index: int) -> str:
        return self.ids.text(index)

    def named(self, indices: Iterable[int]) -> list[str]:
        """The ids of these items."""
        return list(map(self._name, indices))

    def title(self, index: int) -> str:
        """What a person calls the item; its id where the catalogue has no title for it."""
        return self.titles.text(index) or self.ids.text(index)

    def category(self, code: int) -> tuple[str, ...]:
        """The path from the root of the shop's tree."""
        return tuple(self._steps[int(self._paths[code]) : int(self._paths[code + 1])])

    def brand(self, code: int) -> str:
        return self._brand_names[code]


def _owner(hashes: memoryview[int], owners: memoryview[int], ids: Texts, item_id: str) -> int:
    """Looked for from the first place its hash could be at: two ids may share one, so the bytes decide."""
    coded = item_id.encode()
    wanted = hashed(coded)
    place = bisect_left(hashes, wanted)
    while place < len(hashes) and hashes[place] == wanted:
        if ids.coded(owners[place]) == coded:
            return owners[place]
        place += 1
    return _NONE


def hashed(coded: bytes) -> int:
    """Of an id's UTF-8: what it is found by."""
    return int.from_bytes(blake2b(coded, digest_size=_HASH_BYTES).digest(), "little")


def _coded(values: Sequence[Hashable], of: Iterable[Hashable]) -> NDArray[np.int32]:
    """The place of each in `values`, -1 where it has none."""
    codes = {value: code for code, value in enumerate(values)}
    return np.array([codes.get(value, _NONE) for value in of], dtype=np.int32)


def _packed(name: str, plural: str, texts: Iterable[str]) -> Arrays:
    made = Texts.make(texts)
    return {plural: made.run, f"{name}_starts": made.starts}


def _texts(arrays: Arrays, name: str, plural: str) -> Texts:
    try:
        return Texts.read(arrays[plural], arrays[f"{name}_starts"])
    except ValueError as error:
        raise ValueError(f"`{plural}`: {error}") from None


def _check_ids(ids: Texts) -> None:
    lengths = ids.lengths
    if ids.holds_control() or (len(ids) and (lengths.min() < 1 or lengths.max() > _ID_MAX)):
        raise ValueError(f"`ids` holds one that is not 1 to {_ID_MAX} printable characters")
    if not ids.ascend():
        raise ValueError("`ids` are not in order, each once")


def _check_attributes(arrays: Arrays, count: int) -> None:
    steps, brands = _texts(arrays, "step", "steps"), _texts(arrays, "brand_name", "brand_names")
    _check_codes(arrays, "categories", count, len(packed.starts(arrays, "path_starts", len(steps))) - 1)
    _check_codes(arrays, "brands", count, len(brands))
    prices = packed.vector(arrays, "prices", (np.float32,), count)
    if (prices < 0).any() or np.isinf(prices).any():
        raise ValueError("`prices` holds a value below 0 or without end")
    if (packed.vector(arrays, "created", (np.int64,), count) < 0).any():
        raise ValueError("`created` holds a time before 1970")


def _check_codes(arrays: Arrays, name: str, count: int, below: int) -> None:
    codes = packed.vector(arrays, name, (np.int32,), count)
    if len(codes) and (codes.min() < _NONE or codes.max() >= below):
        raise ValueError(f"`{name}` holds a code outside -1 to {below - 1}")


def _check_hashes(arrays: Arrays, count: int) -> None:
    hashes = packed.vector(arrays, "hashes", (np.uint64,), count)
    owners = packed.indices(packed.vector(arrays, "hash_owners", (np.int32,), count), "hash_owners", count)
    if (hashes[1:] < hashes[:-1]).any() or (np.bincount(owners, minlength=count) != 1).any():
        raise ValueError("`hashes` are not in order, one an item")
