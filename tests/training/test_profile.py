"""The data profile, of logs whose figures are known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.item import Item
from serving.ranking.sessions import Sessions
from serving.ranking.table import Table
from training.profile import DAY_MS, HOUR_MS, WEEK_MS, Profile


def timed(*times: int) -> Sessions:
    """A session of one event at each of these moments."""
    count = len(times)
    zeros = np.zeros(count, dtype=np.int32)
    return Sessions(zeros, zeros.astype(np.uint8), np.array(times, dtype=np.int64), np.arange(count + 1), 1)


def table(items: int) -> Table:
    return Table.make([f"item-{item:03}" for item in range(items)])


def test_a_profile_counts_what_is_there() -> None:
    # given: three sessions over three of four items
    sessions = Sessions.listed([[0, 0, 1, 0], [1, 2], [0]], 4)

    # when
    found = Profile.of(sessions, table(4))

    # then
    assert (found.events, found.sessions, found.items) == (7, 3, 4)
    assert found.types == {"view": 7}
    assert found.mean_length == pytest.approx(7 / 3)
    assert (found.median_length, found.longest) == (2.0, 4)
    assert {name: count for name, count in found.lengths.items() if count} == {"1": 1, "2": 1, "4": 1}
    assert {name: count for name, count in found.touches.items() if count} == {"0": 1, "1": 1, "2-4": 2}
    # of four steps 0 to 0 goes nowhere, and the last of the first session comes back
    assert (found.again, found.repeats) == (1 / 4, 2 / 4)
    assert found.spread.reached == 3 / 4
    assert set(found.told.values()) == {0.0}


def test_it_says_what_the_catalogue_tells() -> None:
    # given
    items = {"item-000": Item(item_id="item-000", title="A lamp"), "b": Item(item_id="b", brand="B")}

    # when
    found = Profile.of(Sessions.listed([[0, 1]], 2), Table.make((), items))

    # then
    assert found.told == {"title": 0.5, "category": 0.0, "brand": 0.5, "price": 0.0, "created_at": 0.0}


@pytest.mark.parametrize(
    ("span_ms", "step_ms"),
    [
        (0, HOUR_MS),
        (5 * DAY_MS, HOUR_MS),
        (6 * DAY_MS, DAY_MS),
        (200 * DAY_MS, WEEK_MS),
        (12_000 * DAY_MS, 100 * DAY_MS),
    ],
)
def test_a_timeline_has_steps_that_suit_its_span(span_ms: int, step_ms: int) -> None:
    found = Profile.of(timed(1_700_000_000_000, 1_700_000_000_000 + span_ms), table(1)).timeline
    assert found is not None
    assert found.step_ms == step_ms
    assert sum(found.counts) == 2


@given(times=st.lists(st.integers(0, 2**53 - 1), min_size=1, max_size=20))
def test_a_timeline_holds_every_event_and_stays_short_whatever_the_clock_said(times: list[int]) -> None:
    found = Profile.of(timed(*times), table(1))
    assert found.timeline is not None
    assert sum(found.timeline.counts) == sum(found.hours) == len(times)
    assert len(found.timeline.counts) <= 122
    assert found.timeline.begin_ms <= min(times)
    assert found.timeline.counts[0]
    assert found.timeline.counts[-1]


def test_hours_are_those_of_the_day() -> None:
    found = Profile.of(timed(0, HOUR_MS - 1, HOUR_MS, 25 * HOUR_MS), table(1))
    assert found.hours[:3] == (2, 2, 0)


def test_a_log_without_times_has_no_timeline() -> None:
    # given
    made = Sessions.listed([[0, 0]], 1)
    clockless = Sessions(made.items, made.types, made.times, made.starts, 1, clocked=False)

    # when
    found = Profile.of(clockless, table(1))

    # then
    assert (found.timeline, found.hours) == (None, ())


@given(
    sessions=st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=70), min_size=1, max_size=10),
)
def test_every_session_and_item_is_in_one_bin(sessions: list[list[int]]) -> None:
    found = Profile.of(Sessions.listed(sessions, 7), table(7))
    assert sum(found.lengths.values()) == len(sessions)
    assert sum(found.touches.values()) == 7
    assert 0 <= found.again <= found.repeats <= 1
