"""Pairs counted a row at a time."""

from __future__ import annotations

import numpy as np
import pytest

from serving.ranking import cooccurrence
from serving.ranking.cooccurrence import Pairs, neighbours, sets
from serving.ranking.neighbours import Neighbours
from serving.ranking.sessions import Sessions
from tests import worlds


def counted(sessions: Sessions, most: int = 100) -> Neighbours:
    ones = np.ones(sessions.catalogue)
    pairs = Pairs(after=np.array([1.0, 0.5]), before=np.array([0.25]))
    return neighbours(sessions, pairs, np.ones(len(sessions.items), dtype=np.float32), ones, ones, most)


def test_each_counts_by_how_far_and_which_way_it_stands() -> None:
    # given: 1 and 2 follow 0, and only the nearest before an item counts
    found = counted(Sessions.listed([[0, 1, 2], [0]], 3))

    # then
    assert found.starts.tolist() == [0, 2, 4, 5]
    assert found.ids.tolist() == [1, 2, 2, 0, 1]
    assert found.scores.tolist() == [1, 0.5, 1, 0.25, 0.25]


def test_the_best_of_a_row_are_kept() -> None:
    assert counted(Sessions.listed([[0, 1, 2], [0, 2], [0, 2]], 3), most=1).ids[:1].tolist() == [2]


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_how_many_rows_are_counted_at_once_changes_nothing(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    sessions = worlds.checkerboard().sessions
    whole = counted(sessions).arrays()

    # when
    monkeypatch.setattr(cooccurrence, "_BLOCK_ROWS", rows)

    # then
    assert all(array.tolist() == whole[name].tolist() for name, array in counted(sessions).arrays().items())


def test_of_what_comes_again_the_last_is_kept() -> None:
    held = sets(Sessions.listed([[0, 1, 0, 2], [2, 2]], 3))
    assert [held.of(session) for session in range(len(held))] == [[1, 0, 2], [2]]


@pytest.mark.parametrize(("itself", "expected"), [(False, {1: 1.5}), (True, {0: 1.0, 1: 1.5})])
def test_an_item_is_its_own_neighbour_only_where_that_is_asked_for(itself: bool, expected: dict[int, float]) -> None:
    # given
    sessions, ones = Sessions.listed([[0, 0, 1]], 2), np.ones(2)
    pairs = Pairs(after=np.array([1.0, 0.5]), before=np.zeros(0), itself=itself)

    # when
    found = neighbours(sessions, pairs, np.ones(3, dtype=np.float32), ones, ones, 10)

    # then
    row = slice(*found.starts[:2])
    assert dict(zip(found.ids[row].tolist(), found.scores[row].tolist(), strict=True)) == expected
