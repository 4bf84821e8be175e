"""How much the past still counts: what is older counts less, by half-lives that follow the log's own span."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def span_ms(times: NDArray[np.int64]) -> int:
    """From the first event to the last; 0 of none."""
    return int(times.max() - times.min()) if len(times) else 0


def faded(times: NDArray[np.int64], half_life_ms: float) -> NDArray[np.float64]:
    """What each event counts against the latest: nothing here looks at a clock. Without a half-life, all alike."""
    if not len(times) or half_life_ms <= 0:
        return np.ones(len(times), dtype=np.float64)
    weights: NDArray[np.float64] = 0.5 ** ((times.max() - times) / half_life_ms)
    return weights


def counts(items: NDArray[np.int32], weights: NDArray[np.float64], catalogue: int) -> NDArray[np.float64]:
    """The weights of each item's events, summed."""
    return np.bincount(items, weights, minlength=catalogue).astype(np.float64)
