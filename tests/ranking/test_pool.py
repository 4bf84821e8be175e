"""The pool: a union that forgets nothing about where its candidates came from."""

from __future__ import annotations

import numpy as np

from serving.ranking.pool import ABSENT, POOL, Quota, gather
from serving.ranking.sources.session_items import SessionItems
from serving.ranking.sources.source import Candidates

NOBODY = np.zeros(0, dtype=np.int32)


class Fixed(SessionItems):
    """A source that always brings the same."""

    def __init__(self, *ids: int) -> None:
        self._ids = np.array(ids, dtype=np.int32)

    def candidates(self, session: object, limit: int) -> Candidates:
        ids = self._ids[:limit]
        scores = (1 / np.arange(1, len(ids) + 1)).astype(np.float32)
        return Candidates(ids, scores, np.full_like(ids, -1))


def test_a_candidate_carries_every_source_that_brought_it() -> None:
    # when
    pool = gather([Quota(Fixed(7, 3), 10), Quota(Fixed(9, 7), 10)], [], NOBODY)

    # then
    assert pool.ids.tolist() == [3, 7, 9]
    assert pool.ranks.tolist() == [[2, ABSENT], [1, 2], [ABSENT, 1]]
    assert pool.scores.tolist() == [[0.5, 0], [1, 0.5], [0, 1]]


def test_a_quota_is_the_most_a_source_brings() -> None:
    pool = gather([Quota(Fixed(*range(100)), 30), Quota(Fixed(*range(100, 110)), 200)], [], NOBODY)
    assert pool.ids.tolist() == [*range(30), *range(100, 110)]


def test_when_the_pool_is_full_the_last_source_gives_way() -> None:
    # when
    pool = gather([Quota(Fixed(*range(1000, 1150)), 150), Quota(Fixed(*range(500)), 200)], [], NOBODY)

    # then: its best remain
    assert len(pool) == POOL
    assert pool.ids.tolist() == [*range(50), *range(1000, 1150)]


def test_barred_items_leave_their_place_to_the_next() -> None:
    # given
    quotas = [Quota(Fixed(*range(300)), 30), Quota(Fixed(*range(100, 110)), 200)]

    # when
    pool = gather(quotas, [], np.array([900, 299, 5, 0, 101], dtype=np.int32))

    # then: and a quota stays the most a source brings
    assert pool.ids.tolist() == [*range(1, 5), *range(6, 32), 100, *range(102, 110)]
    assert pool.ranks[:, 0].tolist() == [*range(1, 31), *[ABSENT] * 9]


def test_sources_that_bring_nothing_make_an_empty_pool() -> None:
    pool = gather([Quota(Fixed(), 10), Quota(Fixed(), 10)], [], np.array([1], dtype=np.int32))
    assert len(pool) == 0
    assert pool.ranks.shape == (0, 2)
