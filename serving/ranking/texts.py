"""Many short texts in two arrays, so that a million of them cost no Python object and can lie in a mapped file."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Self, overload

import numpy as np
from numpy.typing import NDArray

from serving.ranking.arrays import Buffer

#: How much is looked at in one go while checking: what a check needs stays small beside what it checks.
_BLOCK_BYTES: Final = 1 << 20
_BLOCK_TEXTS: Final = 1 << 16
_WORD: Final = 8


class Texts(Sequence[str]):
    """Text i is the UTF-8 of `run[starts[i]:starts[i + 1]]`."""

    def __init__(self, run: NDArray[np.uint8], starts: NDArray[np.int64]) -> None:
        self.run: Final = run  # (bytes,)
        self.starts: Final = starts  # (texts + 1,)
        # A view gives one number or slice for a fifth of what the array takes.
        self._bytes: Final = run.data
        self._bounds: Final = starts.data

    @classmethod
    def make(cls, texts: Iterable[str]) -> Self:
        coded = [text.encode() for text in texts]
        starts = np.cumsum([0, *map(len, coded)], dtype=np.int64)
        return cls(np.frombuffer(b"".join(coded), dtype=np.uint8), starts)

    @classmethod
    def read(cls, run: NDArray[Any], starts: NDArray[Any]) -> Self:
        """These arrays as texts. ValueError when they are none."""
        if run.ndim != 1 or run.dtype != np.uint8 or starts.ndim != 1 or starts.dtype != np.dtype("<i8"):
            raise ValueError("texts are a run of uint8 and starts of int64")
        if not len(starts) or starts[0] != 0 or starts[-1] != len(run) or (starts[1:] < starts[:-1]).any():
            raise ValueError(f"the starts do not divide {len(run)} bytes")
        texts = cls(run, starts)
        texts._check_utf8()
        return texts

    def grown(self, changed: Mapping[int, bytes], more: Sequence[bytes]) -> Self:
        """With other UTF-8 in some places, and more texts at the end."""
        parts: list[Buffer] = []
        at = 0
        for place in sorted(changed):
            parts += self._bytes[self._bounds[at] : self._bounds[place]], changed[place]
            at = place + 1
        parts += self._bytes[self._bounds[at] :], *more
        lengths = np.diff(self.starts)
        lengths[list(changed)] = [len(coded) for coded in changed.values()]
        starts = np.cumsum(np.concatenate(([0], lengths, [len(coded) for coded in more])), dtype=np.int64)
        return type(self)(np.frombuffer(b"".join(parts), dtype=np.uint8), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(f"text {place} of {len(self)}")
        return self.text(place)

    def __iter__(self) -> Iterator[str]:
        return (self[place] for place in range(len(self)))

    def text(self, place: int) -> str:
        """Text `place`, which must be there."""
        return str(self._bytes[self._bounds[place] : self._bounds[place + 1]], "utf-8")

    def coded(self, place: int) -> bytes:
        """The UTF-8 of text `place`, which must be there."""
        return bytes(self._bytes[self._bounds[place] : self._bounds[place + 1]])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """In characters: the bytes of each that continue none."""
        lengths = np.diff(self.starts)
        for at in range(0, len(self.run), _BLOCK_BYTES):
            continued = np.flatnonzero(_continues(self.run[at : at + _BLOCK_BYTES])) + at
            owners = np.searchsorted(self.starts, continued, side="right") - 1
            np.subtract.at(lengths, owners, 1)
        return lengths

    def holds_control(self) -> bool:
        """Whether a character that no printer shows is anywhere in them."""
        blocks = (self.run[at : at + _BLOCK_BYTES] for at in range(0, len(self.run), _BLOCK_BYTES))
        return any(bool(((block < 0x20) | (block == 0x7F)).any()) for block in blocks)

    def ascend(self) -> bool:
        """Whether each sorts before the next, none twice. UTF-8 sorts as its characters do; no text may hold a NUL."""
        if not len(self.run):
            return len(self) < 2
        return all(
            self._ascend(np.arange(at, min(at + _BLOCK_TEXTS, len(self) - 1)))
            for at in range(0, len(self) - 1, _BLOCK_TEXTS)
        )

    def _ascend(self, places: NDArray[np.int64]) -> bool:
        at = 0
        while len(places):
            left, right = self._word(places, at), self._word(places + 1, at)
            if (left > right).any():
                return False
            places = places[left == right]
            at += _WORD
            # Equal so far, and nothing of the second is left: then it is the first over again.
            if (self.starts[places + 2] - self.starts[places + 1] <= at).any():
                return False
        return True

    def _word(self, places: NDArray[np.int64], at: int) -> NDArray[np.uint64]:
        """Eight bytes of each text from its byte `at` on, as a number that sorts as they do; 0 past its end."""
        where = (self.starts[places] + at)[:, None] + np.arange(_WORD)  # (n, 8)
        within = where < self.starts[places + 1][:, None]
        values = np.where(within, self.run[np.minimum(where, len(self.run) - 1)], np.uint8(0))
        return values.view(">u8")[:, 0].astype(np.uint64)

    def _check_utf8(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")()
        for at in range(0, len(self.run), _BLOCK_BYTES):
            decoder.decode(self._bytes[at : at + _BLOCK_BYTES])
        decoder.decode(b"", final=True)
        inner = self.starts[self.starts < len(self.run)]
        if _continues(self.run[inner]).any():
            raise ValueError("a text begins inside a character")


def _continues(run: NDArray[np.uint8]) -> NDArray[np.bool_]:
    continues: NDArray[np.bool_] = (run & 0xC0) == 0x80
    return continues
