"""What came after the bundle was made and is like the session's last items, by what the catalogue says of it.

No bundle holds this source: it is made beside one, of the items that are new, and gone with the next training. The
correction has never heard it, so it speaks where the pool is chosen and gives reasons, and no feature tells of it.
"""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from serving.ranking.compiled import compiled
from serving.ranking.query import Query
from serving.ranking.sources.source import Candidates
from serving.ranking.sources.transformer import RECENCY
from serving.ranking.tally import best, latest
from serving.ranking.vectors import Vectors

#: The newest are looked through, so there is a bound to them.
NEWCOMERS_MAX: Final = 1_000
#: How many of them a session may meet: what has proved itself keeps nine tenths of the pool.
BROUGHT_MAX: Final = 20
_RECENCY: Final = np.array(RECENCY, dtype=np.float32)


class Newcomers:
    name: ClassVar[str] = "newcomers"
    quota: ClassVar[int] = 40
    weight: ClassVar[float] = 0.3

    def __init__(self, known: NDArray[np.float16], late: NDArray[np.float16]) -> None:
        #: Its index in the table, and that of all behind it.
        self.first: Final = len(known)
        self._vectors: Final = Vectors(known, late)
        self._late: Final = np.ascontiguousarray(late.T, dtype=np.float32)  # (d, newcomers)

    def candidates(self, query: Query, limit: int) -> Candidates:
        return self.nearest(query, min(limit, BROUGHT_MAX))

    def nearest(self, query: Query, limit: int) -> Candidates:
        """However many are asked for."""
        voters = latest(query.items, len(_RECENCY))
        spoken = self._vectors.take(voters, 0).astype(np.float32)
        return Candidates(*_nearest(self._late, self.first, voters, spoken, _RECENCY, limit))


@compiled
def _nearest(
    late: NDArray[np.float32],
    first: int,
    voters: NDArray[np.int32],
    spoken: NDArray[np.float32],
    recency: NDArray[np.float32],
    limit: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    width, count = late.shape
    sums = np.zeros(count, np.float32)
    for axis in range(width):
        said = np.float32(0.0)
        for at in range(len(voters)):
            said += recency[at] * spoken[at, axis]
        for row in range(count):
            sums[row] += said * late[axis, row]
    for voter in voters:  # who is in the session already is no newcomer to it
        if voter >= first:
            sums[voter - first] = 0
    chosen, scores = best(np.arange(count, dtype=np.int32), sums.astype(np.float64), limit)
    because = np.empty(len(chosen), np.int32)
    for to in range(len(chosen)):
        most = -np.inf
        for at in range(len(voters)):
            worth = 0.0
            for axis in range(width):
                worth += recency[at] * spoken[at, axis] * late[axis, chosen[to]]
            if worth > most:
                most, because[to] = worth, voters[at]
    return chosen + np.int32(first), scores, because
