"""When a log's events are due, and what time they then claim."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextclick.schedule import Pace, plan
from schemas.click import Click
from schemas.wire import EpochMs

START = 1_700_000_000_000


def clicks(*times: int) -> list[Click]:
    return [
        Click(event_id=str(number), session_id="s", type="view", item_id="i", ts=EpochMs(ts))
        for number, ts in enumerate(times)
    ]


logs = st.lists(st.integers(0, 2**40), min_size=1, max_size=30)
paces = st.builds(Pace, rate=st.none() | st.floats(0.1, 10_000), speed=st.floats(0.01, 1_000), keep_time=st.booleans())


def test_a_log_keeps_its_own_rhythm_from_now_on() -> None:
    found = list(plan(clicks(5_000, 6_500, 9_000), Pace(), START))
    assert [due.after_s for due in found] == [0.0, 1.5, 4.0]
    assert [due.click.ts for due in found] == [START, START + 1_500, START + 4_000]


def test_speed_shortens_waits_and_times_alike() -> None:
    found = list(plan(clicks(5_000, 6_500, 9_000), Pace(speed=10), START))
    assert [due.after_s for due in found] == [0.0, 0.15, 0.4]
    assert [due.click.ts for due in found] == [START, START + 150, START + 400]


def test_a_rate_spaces_events_evenly_whatever_the_log_says() -> None:
    found = list(plan(clicks(5_000, 5_000, 99_000, 1), Pace(rate=4), START))
    assert [due.after_s for due in found] == [0.0, 0.25, 0.5, 0.75]
    assert [due.click.ts for due in found] == [START, START + 250, START + 500, START + 750]


def test_an_event_out_of_order_is_sent_in_its_place_with_its_own_time() -> None:
    found = list(plan(clicks(5_000, 8_000, 6_000, 9_000), Pace(), START))
    assert [due.after_s for due in found] == [0.0, 3.0, 3.0, 4.0]
    assert [due.click.ts - START for due in found] == [0, 3_000, 1_000, 4_000]


@given(logs, paces)
def test_nothing_is_due_before_what_stands_before_it(times: list[int], pace: Pace) -> None:
    found = list(plan(clicks(*times), pace, START))
    assert found[0].after_s == 0
    assert all(earlier.after_s <= later.after_s for earlier, later in pairwise(found))


@given(logs, paces)
def test_a_replay_changes_nothing_of_an_event_but_its_time(times: list[int], pace: Pace) -> None:
    log = clicks(*times)
    found = [due.click for due in plan(log, pace, START)]
    assert [click.event_id for click in found] == [click.event_id for click in log]
    if pace.keep_time:
        assert found == log


@pytest.mark.parametrize("pace", [Pace(rate=1), Pace()])
def test_a_log_without_end_is_planned_as_it_comes(pace: Pace) -> None:
    def endless() -> Iterator[Click]:
        while True:
            yield from clicks(5_000)

    assert len(list(islice(plan(endless(), pace, START), 3))) == 3
