"""Ranks as figures: hit rate, reciprocal rank and discounted gain of the one right answer.

A rank counts from 1; MISS is a target that was not ranked at all.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

MISS: Final = 0

_HITS: Final = (10, 20, 30)
_CUT: Final = 20
METRICS: Final = (*(f"hit_rate@{cut}" for cut in _HITS), f"mrr@{_CUT}", f"ndcg@{_CUT}")


def rank_of(ids: NDArray[np.int32], scores: NDArray[np.floating], target: int) -> int:
    """How many of these score at or above the target, itself once: ties count against us. MISS if it is not there.

    What has no finite score is not ranked.
    """
    found = scores[ids == target]
    return int(np.count_nonzero(scores >= found[0])) if len(found) and np.isfinite(found[0]) else MISS


def gains(ranks: NDArray[np.int32]) -> NDArray[np.float64]:
    """What each rank is worth, a column a metric."""
    found = ranks > MISS
    places = np.where(found, ranks, 1).astype(np.float64)
    hits = [found & (ranks <= cut) for cut in _HITS]
    near = found & (ranks <= _CUT)
    return np.stack([*hits, near / places, near / np.log2(places + 1)], axis=-1, dtype=np.float64)  # (n, metrics)


def means(ranks: NDArray[np.int32]) -> dict[str, float]:
    """Every metric; all 0 where there is nothing to measure."""
    if not len(ranks):
        return dict.fromkeys(METRICS, 0.0)
    return dict(zip(METRICS, gains(ranks).mean(axis=0).tolist(), strict=True))
