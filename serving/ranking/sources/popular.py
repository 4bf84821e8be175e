"""What the shop's visitors touched lately, everybody's clicks counted with a half-life."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking import arrays as packed
from serving.ranking.sessions import Sessions
from serving.ranking.sources.source import Arrays, Candidates

#: Long enough to see a whole week's rhythm, short enough to follow a season.
HALF_LIFE_MS: Final = 7 * 24 * 3_600_000


class Popular:
    name: ClassVar[str] = "popular"

    def __init__(self, counts: NDArray[np.float32]) -> None:
        self._counts = counts  # (catalogue,)
        self._order = np.argsort(-counts, kind="stable").astype(np.int32)
        self._scores = counts[self._order]
        self._nobody = np.full(len(counts), -1, dtype=np.int32)

    @classmethod
    def fit(cls, sessions: Sessions, half_life_ms: int = HALF_LIFE_MS) -> Self:
        """Counted against the log's own last event: nothing here looks at a clock."""
        if not len(sessions.items):
            return cls(np.zeros(sessions.catalogue, dtype=np.float32))
        weights = 0.5 ** ((sessions.times.max() - sessions.times) / half_life_ms)
        counts = np.bincount(sessions.items, weights, minlength=sessions.catalogue)
        return cls(counts.astype(np.float32))

    @classmethod
    def read(cls, arrays: Arrays, catalogue: int) -> Self:
        return cls(packed.finite(arrays, "counts", (np.float32,), catalogue).astype(np.float32))

    def arrays(self) -> Arrays:
        return {"counts": self._counts}

    def candidates(self, session: Sequence[int], limit: int) -> Candidates:
        return Candidates(self._order[:limit], self._scores[:limit], self._nobody[:limit])
