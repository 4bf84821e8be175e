"""Item vectors: a bundle's, which lie in a mapped file, and behind them those of items that came later."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray


class Rows(Protocol):
    """What a model asks of vectors."""

    def take(self, indices: NDArray[np.int32], axis: int) -> NDArray[np.float16]: ...


class Vectors:
    """Two tables that answer as one; the first is never copied."""

    def __init__(self, known: NDArray[np.float16], late: NDArray[np.float16]) -> None:
        self._known: Final = known  # (items, d)
        self._late: Final = late  # (more, d)

    def take(self, indices: NDArray[np.int32], axis: int) -> NDArray[np.float16]:
        """Of these items, whose index has as many axes as it likes."""
        late = indices >= len(self._known)
        if not late.any():
            return self._known.take(indices, axis)
        found = self._known.take(np.where(late, 0, indices), axis)
        found[late] = self._late[indices[late] - len(self._known)]
        return found
