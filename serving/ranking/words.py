"""What a catalogue entry says, as words of a fixed vocabulary: how an item that nobody has touched gets its vector.

Words are hashed, so that an item that comes tomorrow is told by the same ones: the steps of its category, its brand,
its price to a factor of two, and the words of its title.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import Final, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from schemas.item import Item
from serving.ranking.table import Table

#: Words are told apart by as many places as there are different ones, to a power of two; some share a place.
_PLACES_MAX: Final = 1 << 14
_TITLE_WORDS: Final = 16
_WORD: Final = re.compile(r"\w{2,}")


@dataclass(frozen=True, slots=True)
class Words:
    """Item i is told by `words[starts[i]:starts[i + 1]]`."""

    words: NDArray[np.int32]  # below `places`
    starts: NDArray[np.int64]  # (items + 1,)
    places: int

    @classmethod
    def of(cls, table: Table) -> Self:
        hashed = [_of(table, index) for index in range(len(table))]
        different = len({word for words in hashed for word in words})
        places = min(_PLACES_MAX, 1 << (different - 1).bit_length()) if different else 0
        told = [list(dict.fromkeys(word % places for word in words)) for words in hashed]
        starts = np.cumsum([0, *map(len, told)], dtype=np.int64)
        return cls(np.array([word for each in told for word in each], dtype=np.int32), starts, places)

    def __bool__(self) -> bool:
        return len(self.words) > 0

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    def select(self, items: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The words of these items end to end, and where those of each begin."""
        lengths = self.lengths[items]
        begins = np.concatenate(([0], np.cumsum(lengths)))[:-1]
        places = np.repeat(self.starts[items] - begins, lengths) + np.arange(int(lengths.sum()))
        return self.words[places].astype(np.int64), begins.astype(np.int64)


def _of(table: Table, index: int) -> list[int]:
    category, brand = int(table.categories[index]), int(table.brands[index])
    path = table.category(category) if category >= 0 else ()
    return _hashed(path, table.brand(brand) if brand >= 0 else "", float(table.prices[index]), table.titles[index])


def _hashed(path: Sequence[str], brand: str, price: float, title: str) -> list[int]:
    said = [f"category {depth} {' > '.join(path[: depth + 1])}" for depth in range(len(path))]
    said += [f"brand {brand}"] if brand else []
    said += [f"price {round(log2(price))}"] if price > 0 else []  # false of a NaN
    said += [f"title {word}" for word in _WORD.findall(title.lower())[:_TITLE_WORDS]]
    return [crc32(word.encode()) for word in said]


def told(item: Item, vectors: NDArray[np.float16]) -> NDArray[np.float16] | None:
    """The vector, of length 1, of an item that only its words tell; None where they tell nothing."""
    hashed = _hashed(item.category, item.brand or "", float(np.float32(item.price or "nan")), item.title)
    if not len(vectors) or not hashed:
        return None
    mean = vectors[list({word % len(vectors) for word in hashed})].astype(np.float32).mean(axis=0)
    length = float(np.linalg.norm(mean))
    return (mean / length).astype(np.float16) if length > 0 else None
