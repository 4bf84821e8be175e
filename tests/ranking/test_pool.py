"""The pool: a union that forgets nothing about where its candidates came from."""

from __future__ import annotations

import numpy as np

from serving.ranking.pool import ABSENT, DEPTH, POOL, Quota, gather
from serving.ranking.query import Query
from serving.ranking.sources.session_items import SessionItems
from serving.ranking.sources.source import Candidates

NOBODY = np.zeros(0, dtype=np.int32)
ANYBODY = Query(NOBODY, np.zeros(0, dtype=np.uint8), np.zeros(0, dtype=np.int64), 0)


class Fixed(SessionItems):
    """A source that always brings the same."""

    def __init__(self, *ids: int) -> None:
        self._ids = np.array(ids, dtype=np.int32)

    def candidates(self, query: Query, limit: int) -> Candidates:
        ids = self._ids[:limit]
        scores = (1 / np.arange(1, len(ids) + 1)).astype(np.float32)
        return Candidates(ids, scores, np.full_like(ids, -1))


def test_a_candidate_carries_every_source_that_brought_it() -> None:
    # when
    pool = gather([Quota(Fixed(7, 3), 10), Quota(Fixed(9, 7), 10)], ANYBODY, NOBODY)

    # then
    assert pool.ids.tolist() == [7, 9, 3]
    assert pool.ranks.tolist() == [[1, 2], [ABSENT, 1], [2, ABSENT]]
    assert pool.scores.tolist() == [[1, 0.5], [0, 1], [0.5, 0]]


def test_a_source_has_the_more_to_say_the_greater_its_quota() -> None:
    # given
    first, second = Fixed(*range(300)), Fixed(*range(500, 800))

    # when
    pool = gather([Quota(first, 30), Quota(second, 20)], ANYBODY, NOBODY)

    # then: 30 / (30 + r) is 20 / (30 + s) at r = 15 + 1.5 s
    brought = [int((pool.ids < 300).sum()), int((pool.ids >= 500).sum())]
    assert brought == [126, 74]
    assert {*range(126), *range(500, 574)} == set(pool.ids.tolist())


def test_what_two_sources_know_of_comes_before_what_either_is_surer_of() -> None:
    # given: item 7 is third with both
    pool = gather([Quota(Fixed(1, 2, 7), 10), Quota(Fixed(3, 4, 7), 10)], ANYBODY, NOBODY)

    # then
    assert pool.ids.tolist() == [7, 1, 3, 2, 4]


def test_what_lies_deeper_than_a_source_is_asked_it_does_not_know() -> None:
    pool = gather([Quota(Fixed(*range(5)), 5), Quota(Fixed(*range(1000, 1000 + DEPTH), 3), 9)], ANYBODY, NOBODY)
    assert pool.ranks[pool.ids == 3].tolist() == [[4, ABSENT]]


def test_nor_is_it_heard_from_further_down_where_something_is_barred() -> None:
    # given: the candidate asked for beyond its depth, in case the barred one is before it
    deep = Fixed(*range(1000, 1000 + DEPTH), 3)

    # when
    pool = gather([Quota(Fixed(*range(5)), 5), Quota(deep, 9)], ANYBODY, np.array([9_999], dtype=np.int32))

    # then
    assert pool.ranks[pool.ids == 3].tolist() == [[4, ABSENT]]


def test_no_source_is_crowded_out_by_its_place() -> None:
    # given
    crowd = [Quota(Fixed(*range(at, at + 200)), 10) for at in range(0, 1000, 200)]

    # when
    pool = gather([*crowd, Quota(Fixed(5000, 5001), 10)], ANYBODY, NOBODY)

    # then
    assert len(pool) == POOL
    assert {5000, 5001} <= set(pool.ids.tolist())


def test_barred_items_leave_their_place_to_the_next() -> None:
    # given
    quotas = [Quota(Fixed(*range(30)), 200), Quota(Fixed(*range(100, 110)), 1)]

    # when
    pool = gather(quotas, ANYBODY, np.array([900, 299, 5, 0, 101], dtype=np.int32))

    # then: and what is behind them moves up a rank
    assert pool.ids.tolist() == [*range(1, 5), *range(6, 30), 100, *range(102, 110)]
    assert pool.ranks[:, 0].tolist() == [*range(1, 29), *[ABSENT] * 9]


def test_however_many_are_barred_the_pool_is_filled_from_behind_them() -> None:
    pool = gather([Quota(Fixed(*range(1000)), 50)], ANYBODY, np.arange(150, dtype=np.int32))
    assert pool.ids.tolist() == [*range(150, 350)]


def test_what_is_hidden_leaves_its_place_as_what_is_barred_does() -> None:
    # given
    quotas = [Quota(Fixed(*range(1000)), 50), Quota(Fixed(*range(900, 400, -1)), 20)]
    away = np.array([*range(150), 899, 333], dtype=np.int32)
    hidden = np.zeros(1000, dtype=np.bool_)
    hidden[away] = True

    # when
    one, other = gather(quotas, ANYBODY, away), gather(quotas, ANYBODY, NOBODY, hidden)

    # then
    assert (one.ids.tolist(), one.ranks.tolist()) == (other.ids.tolist(), other.ranks.tolist())
    assert not hidden[other.ids].any()


def test_sources_that_bring_nothing_make_an_empty_pool() -> None:
    pool = gather([Quota(Fixed(), 10), Quota(Fixed(), 10)], ANYBODY, np.array([1], dtype=np.int32))
    assert len(pool) == 0
    assert pool.ranks.shape == (0, 2)
