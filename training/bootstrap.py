"""Intervals: whole sessions are drawn again and again, the same ones for every row, so that differences are paired.

Predictions of one session stand and fall together; to draw them one by one would promise too much.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 2_000
SEED: Final = 0
#: Of the resampled means, what an interval of 95 % leaves out on either side.
_TAILS: Final = (0.025, 0.975)
#: Sessions drawn at once: 2 million are 16 MB, three times over.
_BLOCK_DRAWS: Final = 2_000_000


def resampled(
    sums: NDArray[np.float64], counts: NDArray[np.int64], resamples: int = RESAMPLES, seed: int = SEED
) -> NDArray[np.float64]:
    """Means over predictions, a row a resample, a column as in `sums`.

    `sums` are a session's gains added up (sessions, columns), `counts` its predictions, at least one.
    """
    sessions, chance = len(counts), np.random.default_rng(seed)
    means = np.empty((resamples, sums.shape[1]))
    block = max(1, _BLOCK_DRAWS // max(sessions, 1))
    for begin in range(0, resamples, block):
        size = min(block, resamples - begin)
        drawn = chance.integers(0, sessions, (size, sessions)) + np.arange(size)[:, None] * sessions
        times = np.bincount(drawn.ravel(), minlength=size * sessions).reshape(size, sessions).astype(np.float64)
        means[begin : begin + size] = (times @ sums) / (times @ counts)[:, None]
    return means


def interval(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The 95 % interval of every column: (2, columns), low and high."""
    return np.quantile(means, _TAILS, axis=0)
