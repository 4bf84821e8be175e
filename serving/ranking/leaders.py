"""The one list that is the same for everybody: the items that lead the whole shop, best first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking import arrays as packed

#: Ten pools full: enough when most of them are barred or gone, and nothing to read through.
MOST: Final = 2000
_NOBODY: Final = np.full(MOST, -1, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Leaders:
    ids: NDArray[np.int32]  # (leaders,)
    scores: NDArray[np.float32]  # (leaders,) falling; equal ones by id

    @classmethod
    def make(cls, scores: NDArray[np.float64]) -> Self:
        """The best of scores by item; those below 0 are no leaders."""
        rounded = scores.astype(np.float32)
        order = np.argsort(-rounded, kind="stable")[:MOST]
        order = order[rounded[order] >= 0]
        return cls(order.astype(np.int32), rounded[order])

    @classmethod
    def read(cls, arrays: Mapping[str, NDArray[Any]], catalogue: int) -> Self:
        ids = packed.indices(packed.vector(arrays, "ids", (np.int32,)), "ids", catalogue)
        scores = packed.finite(arrays, "scores", (np.float32,), len(ids))
        if len(ids) > MOST or len(np.unique(ids)) != len(ids):
            raise ValueError(f"`ids` holds an item twice, or more than {MOST}")
        if (np.diff(scores) > 0).any():
            raise ValueError("`scores` does not fall")
        return cls(ids, scores)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"ids": self.ids, "scores": self.scores}

    def first(self, limit: int) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
        ids = self.ids[:limit]
        return ids, self.scores[:limit], _NOBODY[: len(ids)]
