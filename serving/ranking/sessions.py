"""Past sessions, laid end to end in arrays: what every source is fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sessions:
    """Session s is `items[starts[s]:starts[s + 1]]`, oldest first; items are indices below `catalogue`."""

    items: NDArray[np.int32]  # (events,)
    times: NDArray[np.int64]  # (events,) epoch ms
    starts: NDArray[np.int64]  # (sessions + 1,)
    catalogue: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, session: int) -> list[int]:
        found: list[int] = self.items[self.starts[session] : self.starts[session + 1]].tolist()
        return found

    @property
    def owners(self) -> NDArray[np.int64]:
        """The session each event belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.starts))

    @classmethod
    def listed(cls, sessions: Sequence[Sequence[int]], catalogue: int) -> Sessions:
        """From plain lists, one event a second."""
        items = np.array([item for session in sessions for item in session], dtype=np.int32)
        starts = np.cumsum([0, *(len(session) for session in sessions)], dtype=np.int64)
        return cls(items, np.arange(len(items), dtype=np.int64) * 1000, starts, catalogue)
