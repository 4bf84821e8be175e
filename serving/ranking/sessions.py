"""Past sessions, laid end to end in arrays: what every source is fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.click import EventType
from serving.ranking import arrays as packed

#: What a session's recent items can be there for; the place in this tuple is the code in arrays.
DEEDS: Final[tuple[EventType, ...]] = ("view", "cart", "purchase", "like")


@dataclass(frozen=True, slots=True)
class Sessions:
    """Session s is `items[starts[s]:starts[s + 1]]`, oldest first; sessions stand in the order they began."""

    items: NDArray[np.int32]  # (events,) indices below `catalogue`
    types: NDArray[np.uint8]  # (events,) places in DEEDS
    times: NDArray[np.int64]  # (events,) epoch ms
    starts: NDArray[np.int64]  # (sessions + 1,)
    catalogue: int
    #: False where the log has no times: then `times` only say what came before what.
    clocked: bool = True

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, session: int) -> list[int]:
        found: list[int] = self.items[self.starts[session] : self.starts[session + 1]].tolist()
        return found

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    @property
    def owners(self) -> NDArray[np.int64]:
        """The session each event belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    def where(self, kept: NDArray[np.bool_]) -> Sessions:
        """The events that are `kept`; a session without any is gone."""
        lengths = np.bincount(self.owners[kept], minlength=len(self))
        starts = np.concatenate(([0], np.cumsum(lengths[lengths > 0]))).astype(np.int64)
        return Sessions(self.items[kept], self.types[kept], self.times[kept], starts, self.catalogue, self.clocked)

    def between(self, first: int, end: int) -> Sessions:
        """The sessions from `first` up to and without `end`."""
        at, to = int(self.starts[first]), int(self.starts[end])
        part = slice(at, to)
        starts = self.starts[first : end + 1] - at
        return Sessions(self.items[part], self.types[part], self.times[part], starts, self.catalogue, self.clocked)

    @classmethod
    def read(cls, arrays: Mapping[str, NDArray[Any]], catalogue: int) -> Self:
        """From what `arrays` gave, as views of it."""
        items = packed.indices(packed.vector(arrays, "items", (np.uint16, np.int32)), "items", catalogue)
        types = packed.indices(packed.vector(arrays, "types", (np.uint8,), len(items)), "types", len(DEEDS))
        times = packed.vector(arrays, "times", (np.int64,), len(items))
        clocked = packed.vector(arrays, "clocked", (np.uint8,), 1)
        starts = packed.starts(arrays, "starts", len(items))
        return cls(items.astype(np.int32, copy=False), types, times, starts, catalogue, bool(clocked[0]))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            # Half the size where an index fits 16 bits.
            "items": self.items.astype(np.uint16) if self.catalogue <= np.iinfo(np.uint16).max else self.items,
            "types": self.types,
            "times": self.times,
            "starts": self.starts,
            "clocked": np.array([self.clocked], dtype=np.uint8),
        }

    @classmethod
    def listed(cls, sessions: Sequence[Sequence[int]], catalogue: int) -> Sessions:
        """From plain lists, one view a second."""
        items = np.array([item for session in sessions for item in session], dtype=np.int32)
        starts = np.cumsum([0, *(len(session) for session in sessions)], dtype=np.int64)
        times = np.arange(len(items), dtype=np.int64) * 1000
        return cls(items, np.zeros(len(items), dtype=np.uint8), times, starts, catalogue)
