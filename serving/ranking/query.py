"""What ranking looks at of a session: its known items as indices, oldest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Query:
    items: NDArray[np.int32]  # (n,) oldest first; indices of the item table
    types: NDArray[np.uint8]  # (n,) places in sessions.DEEDS
    times: NDArray[np.int64]  # (n,) epoch ms
    #: The moment the answer is for, epoch ms: the click's own time.
    now: int

    def below(self, items: int | None) -> Query:
        """The same without what came behind so many items of the table; the same where there is no bound."""
        if items is None or (known := self.items < items).all():
            return self
        return Query(self.items[known], self.types[known], self.times[known], self.now)

    def __len__(self) -> int:
        return len(self.items)
