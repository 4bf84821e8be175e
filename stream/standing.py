"""Which lists stand in Redis by this worker's hand, and what is in them: found again when an item is to be had no more.

Of the sessions ranked last, as many as CAPACITY: about 500 bytes each, whatever items are called. What is kept of an
item is 32 bits, so that a list is now and then found that does not hold it: to rank it once more harms nobody.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.recommendation import STORED

CAPACITY: Final = 100_000
#: Lists looked through in one go.
_BLOCK: Final = 4_096
#: The first bits of a code, which a small table answers for: of a hundred items only one asks further.
_NEAR_BITS: Final = 20
_FAR_BITS: Final = 32 - _NEAR_BITS


class Standing:
    """One puts at a time; another thread may look meanwhile. A list that is put while somebody looks was made after
    what is looked for had gone, so that it is of no matter whether it is met whole, in part, or not.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity: Final = capacity
        self._codes: Final = np.zeros((capacity, STORED), dtype=np.uint32)
        #: Session -> its row, longest ago first; and the session and the lane of each row.
        self._rows: Final[OrderedDict[str, int]] = OrderedDict()
        self._holders: Final[list[tuple[str, str]]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, session_id: str, lane: str, item_ids: Sequence[str]) -> None:
        """The session's newest list; the longest ago makes room."""
        row = self._row(session_id)
        self._holders[row] = (session_id, lane)
        self._codes[row, : len(item_ids)] = _codes(item_ids)
        self._codes[row, len(item_ids) :] = 0

    def holding(self, item_ids: Iterable[str]) -> dict[str, str]:
        """The sessions in whose lists any of these is, and their lanes."""
        away = np.unique(_codes(list(item_ids)))
        near = np.zeros(1 << _NEAR_BITS, dtype=np.bool_)
        near[away >> _FAR_BITS] = True
        found: dict[str, str] = {}
        for at in range(0, len(self._holders), _BLOCK):
            block = self._codes[at : min(at + _BLOCK, len(self._holders))]
            rows, columns = np.nonzero(near[block >> _FAR_BITS])
            codes = block[rows, columns]
            met = away[np.searchsorted(away, codes).clip(max=len(away) - 1)] == codes
            found.update(self._holders[at + row] for row in np.unique(rows[met]).tolist())
        return found

    def _row(self, session_id: str) -> int:
        row = self._rows.pop(session_id, None)
        if row is None and len(self._rows) < self._capacity:
            row = len(self._holders)
            self._holders.append((session_id, ""))
        elif row is None:
            _, row = self._rows.popitem(last=False)
        self._rows[session_id] = row
        return row


def _codes(item_ids: Sequence[str]) -> NDArray[np.uint32]:
    """Python's own hashes, which a text keeps once it has been asked; they are this process' alone."""
    return np.fromiter(map(hash, item_ids), np.int64, len(item_ids)).astype(np.uint32)
