"""Counts: how popular an item is among the others, never how many clicks there are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.ranking import arrays
from serving.ranking.counts import HALF_LIFE_MS, Counts
from serving.ranking.sessions import Sessions

HOUR_MS = 3_600_000


def at(items: list[int], times: list[int], catalogue: int, *, clocked: bool = True) -> Sessions:
    """One session."""
    made = Sessions.listed([items], catalogue)
    return Sessions(made.items, made.types, np.array(times, dtype=np.int64), made.starts, catalogue, clocked)


@given(st.lists(st.integers(0, 19), max_size=60), st.integers(2, 50))
def test_the_same_clicks_many_times_over_are_the_same_counts(items: list[int], times: int) -> None:
    # given
    once, often = Counts.fit(Sessions.listed([items], 20)), Counts.fit(Sessions.listed([items] * times, 20))

    # then
    assert once.ever == pytest.approx(often.ever, abs=1e-3)


@given(st.lists(st.integers(0, 19), max_size=60))
def test_an_item_has_a_finite_count_whoever_touched_it(items: list[int]) -> None:
    counts = Counts.fit(Sessions.listed([items], 20))
    for column in (counts.ever, counts.lately):
        assert column.shape == (20,)
        assert np.isfinite(column).all()


def test_the_more_an_item_is_touched_the_higher_it_counts() -> None:
    counts = Counts.fit(Sessions.listed([[1, 2, 2, 3, 3, 3, 3]], 5))
    assert (np.diff(counts.ever[:4]) > 0).all()
    assert counts.ever[0] == counts.ever[4]


def test_where_all_are_equal_each_is_the_average() -> None:
    counts = Counts.fit(Sessions.listed([[0, 1, 2, 3]], 4))
    assert counts.ever == pytest.approx(np.zeros(4), abs=1e-6)


def test_lately_counts_a_click_half_after_a_day() -> None:
    # given: item 0 twice a day before the end, item 1 once at the end
    counts = Counts.fit(at([0, 0, 1], [0, 0, HALF_LIFE_MS], 2))

    # then
    assert counts.lately[0] == pytest.approx(counts.lately[1], abs=1e-6)
    assert counts.ever[0] > counts.ever[1]


def test_counts_grow_old_by_the_hour_and_have_no_age_without_a_clock() -> None:
    counts = Counts.fit(at([0, 1], [HOUR_MS, 5 * HOUR_MS], 2))
    assert counts.age_hours(7 * HOUR_MS) == 2
    assert counts.age_hours(HOUR_MS) == 0
    assert Counts.fit(at([0, 1], [HOUR_MS, 2 * HOUR_MS], 2, clocked=False)).age_hours(9 * HOUR_MS) == 0
    assert Counts.fit(Sessions.listed([], 2)).age_hours(9 * HOUR_MS) == 0


def test_their_arrays_hold_all_they_know() -> None:
    # given
    counts = Counts.fit(Sessions.listed([[1, 2, 2]], 4))

    # when
    packed = {name: arrays.encode(array) for name, array in counts.arrays().items()}
    read = Counts.read({name: arrays.decode(data) for name, data in packed.items()}, 4)

    # then
    assert read.until == counts.until
    assert (read.ever == counts.ever).all()
    assert (read.lately == counts.lately).all()


def test_a_shop_without_items_has_counts_too() -> None:
    assert Counts.fit(Sessions.listed([], 0)).ever.shape == (0,)
