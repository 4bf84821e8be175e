"""Lists of neighbours, counted in advance: for every item the few that go with it, and how well.

The common shape of all sources that know an item by its neighbours. A session's last items vote with their lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking import arrays as packed
from serving.ranking.compiled import compiled
from serving.ranking.tally import Indices, ballot, elected, latest, narrow, sealed, vote

#: Bits of the first float16 that is no finite number; every one from 0 on has fewer.
_INFINITE: Final = 0x7C00
#: What the last bit of a float16 is worth, by its exponent.
_POWERS: Final = np.ldexp(1.0, np.arange(31) - 25)


@dataclass(frozen=True, slots=True)
class Neighbours:
    starts: NDArray[np.int64]  # (rows + 1,) the row of item i goes from starts[i] to starts[i + 1], best first
    ids: Indices  # (neighbours,)
    scores: NDArray[np.float16]  # (neighbours,) above 0, good to one in a thousand

    @classmethod
    def make(
        cls,
        lengths: NDArray[np.int64],
        ids: NDArray[np.int32],
        scores: NDArray[np.float32],
        catalogue: int | None = None,
    ) -> Self:
        """Rows of these lengths laid end to end; a score that is 0 in half precision is no neighbour's.

        A row is an item's, unless the `catalogue` of which the neighbours are is told apart.
        """
        halves = np.minimum(scores, np.finfo(np.float16).max).astype(np.float16)
        kept = halves > 0
        owners = np.repeat(np.arange(len(lengths)), lengths)[kept]
        starts = np.searchsorted(owners, np.arange(len(lengths) + 1)).astype(np.int64)
        return cls(
            sealed(starts),
            narrow(ids[kept], len(lengths) if catalogue is None else catalogue),
            sealed(halves[kept]),
        )

    @classmethod
    def read(cls, arrays: Mapping[str, NDArray[Any]], catalogue: int, rows: int | None = None) -> Self:
        ids = packed.indices(packed.vector(arrays, "ids", (np.uint16, np.int32)), "ids", catalogue)
        starts = packed.starts(arrays, "starts", len(ids), catalogue if rows is None else rows)
        scores = packed.vector(arrays, "scores", (np.float16,), len(ids))
        if len(scores) and scores.view(np.uint16).max() >= _INFINITE:
            raise ValueError("`scores` holds a value that is not a finite number from 0 on")
        return cls(starts, ids, scores)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"starts": self.starts, "ids": self.ids, "scores": self.scores}

    def vote(
        self, items: NDArray[np.int32], weights: NDArray[np.float32], limit: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
        """The neighbours of the last `len(weights)` different items, their sums, and for each its strongest voter."""
        return _vote(self.starts, self.ids, self.scores.view(np.uint16), items, weights, limit)


@compiled
def _vote(
    starts: NDArray[np.int64],
    ids: Indices,
    halves: NDArray[np.uint16],
    items: NDArray[np.int32],
    weights: NDArray[np.float32],
    limit: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    voters = latest(items, len(weights))
    most = 0
    for voter in voters:
        most += starts[voter + 1] - starts[voter]
    table, known, sums, strongest = ballot(most)
    count = 0
    for at in range(len(voters)):
        for to in range(starts[voters[at]], starts[voters[at] + 1]):
            worth = weights[at] * decoded(halves[to])
            count = vote(table, known, sums, strongest, count, int(ids[to]), worth, at)
    return elected(table, known, sums, strongest, count, voters, limit)


@compiled
def decoded(half: int) -> float:
    """The number, from 0 on, in the bits of a float16, which numba does not know."""
    fraction, exponent = half & 0x3FF, half >> 10
    if exponent == 0:
        return float(fraction * _POWERS[1])
    return float((0x400 + fraction) * _POWERS[exponent])
