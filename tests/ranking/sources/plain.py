"""What sources count, written as the sentences that define it: slow, plain, and compared with the compiled."""

from __future__ import annotations

from typing import Final

import numpy as np
from hypothesis import strategies as st

Scores = dict[int, float]

#: Sessions of a shop with six items.
HISTORIES: Final = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=7), max_size=10)


def latest(session: list[int]) -> list[int]:
    """The different items, the last one first."""
    return list(dict.fromkeys(reversed(session)))


def ages(past: list[list[int]], half_life_share: float) -> list[list[float]]:
    """What each event counts: they come one a second, and count half after a share of all that time."""
    span = max(sum(map(len, past)) - 1, 0)
    clock = iter(range(span + 1))
    return [[0.5 ** ((span - next(clock)) / (half_life_share * span)) if span else 1.0 for _ in row] for row in past]


def in_half(score: float) -> float:
    """As sixteen bits hold it."""
    return float(np.float16(score))
