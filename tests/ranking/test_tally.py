"""Votes counted: nothing lost, best first, equal ones by index."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from serving.ranking.compiled import compiled
from serving.ranking.tally import (
    ballot,
    best,
    elected,
    find,
    latest,
    leading,
    narrow,
    nth,
    place,
    slots,
    sort_first,
    vote,
)

KEYS = st.integers(0, 2**31 - 1)


@given(st.lists(KEYS | st.integers(0, 9)))
def test_every_key_has_one_place_in_the_order_of_arrival(keys: list[int]) -> None:
    # given
    table, known, count = slots(len(keys)), np.empty(len(keys), np.int32), 0

    # when
    for key in keys:
        at = place(table, known, count, key)
        count = max(count, at + 1)

    # then
    assert known[:count].tolist() == list(dict.fromkeys(keys))
    assert all(known[find(table, known, key)] == key for key in keys)
    assert find(table, known, next(key for key in range(len(keys) + 1) if key not in keys)) == -1


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 5), min_size=1, max_size=300), st.data())
def test_the_nth_is_what_stands_there_in_order(keys: list[int], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(keys) - 1))
    assert nth(np.array(keys, dtype=np.int64), at) == sorted(keys)[at]


@given(
    st.lists(st.tuples(KEYS, st.integers(-3, 9) | st.floats(0, 1e30)), unique_by=lambda pair: pair[0]),
    st.integers(1, 40),
)
def test_the_leading_are_the_best_where_they_stand(pairs: list[tuple[int, float]], limit: int) -> None:
    # given
    ids, sums = (
        np.array([i for i, _ in pairs], dtype=np.int32),
        np.array([worth for _, worth in pairs], dtype=np.float64),
    )

    # when
    rows = leading(ids, sums, limit)

    # then
    first, _ = best(ids, sums, limit)
    assert sorted(ids[rows].tolist()) == sorted(first.tolist())
    assert rows.tolist() == sorted(rows.tolist())


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 5), max_size=300), st.integers(0, 310))
def test_the_smallest_come_first_in_order(keys: list[int], limit: int) -> None:
    array = np.array(keys, dtype=np.int64)
    sort_first(array, limit)
    assert array[:limit].tolist() == sorted(keys)[:limit]
    assert sorted(array.tolist()) == sorted(keys)


@pytest.mark.parametrize("keys", [range(5000), range(5000, 0, -1), [7] * 5000, [*range(2500), *range(2500)]])
def test_keys_in_any_order_are_sorted(keys: list[int]) -> None:
    array = np.array(keys, dtype=np.int64)
    sort_first(array, 5000)
    assert array.tolist() == sorted(keys)


@given(st.dictionaries(KEYS, st.floats(0, 1e30) | st.sampled_from([0.0, 0.25, 0.5]), max_size=200), st.integers(0, 50))
def test_the_best_come_first_and_equal_ones_by_index(worths: dict[int, float], limit: int) -> None:
    # when
    ids, scores = best(np.array([*worths], dtype=np.int32), np.array([*worths.values()], dtype=np.float64), limit)

    # then
    rounded = {item: np.float32(worth) for item, worth in worths.items() if np.float32(worth) > 0}
    expected = sorted(rounded, key=lambda item: (-rounded[item], item))[:limit]
    assert ids.tolist() == expected
    assert scores.tolist() == [rounded[item] for item in expected]


@compiled
def poll(votes: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    """Rows of an item, eighths of a vote for it, and the place of the voter among 10, 11, 12 and 13."""
    table, items, sums, strongest = ballot(len(votes))
    count = 0
    for item, eighths, voter in votes:
        count = vote(table, items, sums, strongest, count, item, eighths / 8, voter)
    return elected(table, items, sums, strongest, count, np.arange(10, 14, dtype=np.int32), 100)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 64), st.integers(0, 3)), max_size=60))
def test_votes_are_summed_and_the_strongest_voter_is_named(votes: list[tuple[int, int, int]]) -> None:
    # when
    ids, scores, voters = poll(np.array(votes, dtype=np.int64).reshape(-1, 3))

    # then: of equal votes that of the first voter is the strongest
    for item, score, voter in zip(ids.tolist(), scores.tolist(), voters.tolist(), strict=True):
        cast = [(eighths, -place) for of, eighths, place in votes if of == item]
        assert score == sum(eighths for eighths, _ in cast) / 8
        assert voter == 10 - max(cast)[1]
    assert set(ids.tolist()) == {item for item, _, _ in votes}


@given(st.lists(st.integers(0, 9)), st.integers(0, 12))
def test_the_latest_are_the_last_different_ones(items: list[int], limit: int) -> None:
    found = latest(np.array(items, dtype=np.int32), limit)
    assert found.tolist() == list(dict.fromkeys(reversed(items)))[:limit]


def test_indices_of_a_small_catalogue_take_half_the_room() -> None:
    indices = np.array([0, 65_534], dtype=np.int32)
    assert narrow(indices, 65_535).dtype == np.uint16
    assert narrow(indices, 65_536).dtype == np.int32
    assert narrow(indices, 65_535).tolist() == narrow(indices, 65_536).tolist() == [0, 65_534]
