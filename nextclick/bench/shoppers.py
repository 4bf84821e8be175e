"""Made-up shoppers whose sessions are as long, and as mixed with each other's, as those of a real shop. Pure.

Lengths and pauses are those of a European web shop (RecSys Challenge 2015; the lengths from five days of it, 106,246
sessions of two clicks and more). Items are drawn by Zipf's law, the shop's most touched one being the most likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from schemas.click import Click
from schemas.wire import EpochMs

#: Of 10,000 sessions so many have this length. That log is cut at 20 clicks and tells how many it cut off: the last
#: three are those sessions, a few lengths standing for all.
LENGTHS: Final = {
    2: 4155, 3: 2077, 4: 1150, 5: 721, 6: 475, 7: 330, 8: 227, 9: 175, 10: 130, 11: 104, 12: 78, 13: 59, 14: 50,
    15: 39, 16: 29, 17: 26, 18: 23, 19: 20, 20: 15, 24: 60, 32: 35, 50: 22,
}  # fmt: skip
LENGTH_MEAN: Final = sum(length * share for length, share in LENGTHS.items()) / sum(LENGTHS.values())
#: How long a shopper looks at a page: half of the time less than this, ...
_PAUSE_MEDIAN_S: Final = 58
#: ... in a quarter of the cases less than 28 s, in another more than 124. That is this wide a logarithm.
_PAUSE_WIDTH: Final = 1.10
#: What is meant by a shop: one that sees 1.7 million clicks a day. In a larger one sessions are further apart.
_CLICKS_PER_S: Final = 20


def clicks(ids: Sequence[str], sessions: int, seed: int, run: str) -> list[Click]:
    """Every click of so many sessions, in the order they come. `ids` begin with the most touched; `run` makes sessions
    and events this run's own. They have no time yet: `at` gives one its own.
    """
    chance = np.random.default_rng(seed)
    shares = np.array(list(LENGTHS.values())) / sum(LENGTHS.values())
    lengths = chance.choice(list(LENGTHS), sessions, p=shares)
    times = _times(chance.uniform(0, sessions * LENGTH_MEAN / _CLICKS_PER_S, sessions), lengths, chance)
    shoppers = np.repeat(np.arange(sessions), lengths)[np.argsort(times, kind="stable")]
    # The exponential of an even number falls as Zipf's law with the power 1.
    ranks = np.exp(chance.random(len(times)) * np.log(len(ids) + 1)).astype(np.int64) - 1
    items = np.minimum(ranks, len(ids) - 1)
    return [
        Click(event_id=f"{run}-{number}", session_id=f"{run}-{shopper}", type="view", ts=EpochMs(0), item_id=ids[item])
        for number, (shopper, item) in enumerate(zip(shoppers.tolist(), items.tolist(), strict=True))
    ]


def at(click: Click, now: int) -> Click:
    return replace(click, ts=EpochMs(now))


def _times(begins: NDArray[np.float64], lengths: NDArray[np.int64], chance: np.random.Generator) -> NDArray[np.float64]:
    """(clicks,) When each is made, in seconds, session by session."""
    ends = np.cumsum(lengths)
    passed = np.cumsum(chance.lognormal(np.log(_PAUSE_MEDIAN_S), _PAUSE_WIDTH, ends[-1]))
    since: NDArray[np.float64] = passed - np.repeat(passed[ends - lengths], lengths)
    return np.repeat(begins, lengths) + since
