"""What the correction sees of a candidate: what each source says of it, the session's touch with it, and its past.

Everything is a share, a rank or a flag, never an absolute count: counts made again tomorrow, over more days, must not
shift them. The columns are `names(sources)`; training and production call the same function for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.ranking.compiled import compiled
from serving.ranking.counts import UNTOUCHED, Counts
from serving.ranking.pool import Pool
from serving.ranking.query import Query
from serving.ranking.sessions import DEEDS
from serving.ranking.sources import CLICKLESS
from serving.ranking.table import Table
from serving.ranking.tally import latest

#: Of every source: 1 / rank, the score as a share of the best one's, and its logarithm.
_PER_SOURCE: Final = ("reciprocal_rank", "share_of_best", "log_score")
_CANDIDATE: Final = (
    *("in_session", "nearness", "touches", "first", "last", "chosen"),
    *("ever", "lately", "rise"),
    *("same_category", "category_share", "same_brand", "priced", "price_step"),
    *("followed", "led", "turn", "turn_back"),
)
#: Of the session alone: the same for all candidates, there for what they turn the others into.
_SESSION: Final = ("length", "distinct", "hurry", "age", "returned", "returns")
_ALONE: Final = len(_CANDIDATE) + len(_SESSION)
#: Of so many last touches it is told how many were returns.
_RETURNS: Final = 4
#: From this place in DEEDS on, a touch is a choice.
_CHOICE: Final = DEEDS.index("cart")
#: What the logarithm of a score is cut at: anything smaller says nothing.
_FAINT: Final = 1e-6
_LOG_FAINT: Final = float(np.log(_FAINT))


def names(sources: Sequence[str]) -> tuple[str, ...]:
    each = [f"{source}.{name}" for source in sources for name in _PER_SOURCE]
    return (*each, *_CANDIDATE, *_SESSION)


def untouched(sources: Sequence[str]) -> NDArray[np.float32]:
    """(features,) What an item that nobody has clicked on has there; NaN where that hangs on other things."""
    told = {f"{source}.{name}": 0.0 for source in sources if source not in CLICKLESS for name in _PER_SOURCE}
    told |= {"ever": UNTOUCHED, "lately": UNTOUCHED, "rise": 0.0}
    return np.array([told.get(name, np.nan) for name in names(sources)], dtype=np.float32)


def features(pool: Pool, query: Query, counts: Counts, table: Table) -> NDArray[np.float32]:
    """(candidates, features)"""
    return _features(
        pool.ids,
        pool.ranks,
        pool.scores,
        query.items,
        query.types,
        query.times,
        counts.ever,
        counts.lately,
        counts.age_hours(query.now),
        table.categories,
        table.brands,
        table.prices,
    )


@compiled
def _features(
    ids: NDArray[np.int32],
    ranks: NDArray[np.float32],
    scores: NDArray[np.float32],
    items: NDArray[np.int32],
    types: NDArray[np.uint8],
    times: NDArray[np.int64],
    ever: NDArray[np.float32],
    lately: NDArray[np.float32],
    age: float,
    categories: NDArray[np.int32],
    brands: NDArray[np.int32],
    prices: NDArray[np.float32],
) -> NDArray[np.float32]:
    sources = ranks.shape[1]
    found = np.zeros((len(ids), 3 * sources + _ALONE), np.float32)
    for source in range(sources):
        _of_source(found[:, 3 * source :], ranks[:, source], scores[:, source])
    own = found[:, 3 * sources :]
    _of_touches(own, ids, items, types)
    for row in range(len(ids)):
        own[row, 6] = ever[ids[row]]
        own[row, 7] = lately[ids[row]]
        own[row, 8] = lately[ids[row]] - ever[ids[row]]
    _of_catalogue(own, ids, items, categories, brands, prices)
    returned = len(items) > 0 and _is_return(items, len(items) - 1)
    _of_course(own, ids, items, returned)
    _of_session(own, items, times, age, returned)
    return found


@compiled
def _of_source(found: NDArray[np.float32], ranks: NDArray[np.float32], scores: NDArray[np.float32]) -> None:
    top = 0.0
    for score in scores:
        top = max(top, float(score))
    for row in range(len(ranks)):
        if ranks[row] > 0 and top > 0:
            score = max(float(scores[row]), _FAINT)
            found[row, 0] = 1 / ranks[row]
            found[row, 1] = score / top
            found[row, 2] = 1 - np.log(score) / _LOG_FAINT


@compiled
def _of_touches(
    found: NDArray[np.float32], ids: NDArray[np.int32], items: NDArray[np.int32], types: NDArray[np.uint8]
) -> None:
    length = len(items)
    for row in range(len(ids)):
        touches, newest, chosen = 0, -1, False
        for at in range(length):
            if items[at] == ids[row]:
                touches += 1
                newest = at
                chosen |= types[at] >= _CHOICE
        if touches:
            found[row, 0] = 1
            found[row, 1] = 1 / (length - newest)
            found[row, 2] = np.log1p(touches)
            found[row, 3] = items[0] == ids[row]
            found[row, 4] = newest == length - 1
            found[row, 5] = chosen


@compiled
def _of_catalogue(
    found: NDArray[np.float32],
    ids: NDArray[np.int32],
    items: NDArray[np.int32],
    categories: NDArray[np.int32],
    brands: NDArray[np.int32],
    prices: NDArray[np.float32],
) -> None:
    if not len(items):
        return
    last = items[-1]
    for row in range(len(ids)):
        item = ids[row]
        if categories[item] >= 0:
            alike = 0
            for other in items:
                alike += categories[other] == categories[item]
            found[row, 9] = categories[last] == categories[item]
            found[row, 10] = alike / len(items)
        found[row, 11] = brands[item] >= 0 and brands[last] == brands[item]
        if prices[item] > 0 and prices[last] > 0:  # false of a NaN
            found[row, 12] = 1
            found[row, 13] = abs(np.log(prices[item] / prices[last]))


@compiled
def _of_course(found: NDArray[np.float32], ids: NDArray[np.int32], items: NDArray[np.int32], returned: bool) -> None:
    """How the session goes to and fro: what it went on to from here before, and how many turns ago each item was."""
    length = len(items)
    turns = _turns(items)
    for row in range(len(ids)):
        newest = -1
        for at in range(length):
            if items[at] == ids[row]:
                newest = at
                nearness = 1 / (length - at)
                if at > 0 and items[at - 1] == items[-1]:
                    found[row, 14] += nearness
                if at + 1 < length and items[at + 1] == items[-1]:
                    found[row, 15] += nearness
        if newest >= 0:
            found[row, 16] = 1 / (1 + turns[newest])
            found[row, 17] = returned / (1 + turns[newest])


@compiled
def _turns(items: NDArray[np.int32]) -> NDArray[np.int32]:
    """After each touch, how many different items were touched since."""
    turns = np.zeros(len(items), np.int32)
    for at in range(len(items) - 2, -1, -1):
        again = False
        for later in range(at + 2, len(items)):
            again |= items[later] == items[at + 1]
        turns[at] = turns[at + 1] + (not again)
    return turns


@compiled
def _returns(items: NDArray[np.int32]) -> int:
    """How many of the last few touches were of an item touched before."""
    returns = 0
    for at in range(max(0, len(items) - _RETURNS), len(items)):
        returns += _is_return(items, at)
    return returns


@compiled
def _is_return(items: NDArray[np.int32], at: int) -> bool:
    again = False
    for earlier in range(at):
        again |= items[earlier] == items[at]
    return again


@compiled
def _of_session(
    found: NDArray[np.float32], items: NDArray[np.int32], times: NDArray[np.int64], age: float, returned: bool
) -> None:
    distinct = len(latest(items, len(items)))
    hurry = 0.0
    if len(items) > 1:
        hurry = np.log1p(max(0, times[-1] - times[-2]) / 1000)
    returns = _returns(items)
    for row in range(len(found)):
        found[row, 18] = np.log1p(len(items))
        found[row, 19] = np.log1p(distinct)
        found[row, 20] = hurry
        found[row, 21] = np.log1p(age)
        found[row, 22] = returned
        found[row, 23] = returns
