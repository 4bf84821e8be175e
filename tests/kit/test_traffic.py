"""Laws of the made-up shoppers."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from schemas.session import IDS_MAX
from tests.kit.traffic import Traffic, hot_session

TRAFFIC = Traffic(seed=7, events=5_000, sessions=100)


def test_the_same_seed_gives_the_same_clicks_and_another_seed_others() -> None:
    assert TRAFFIC.clicks("run", 1) == TRAFFIC.clicks("run", 1)
    assert TRAFFIC.clicks("run", 1) != Traffic(seed=8, events=5_000, sessions=100).clicks("run", 1)


def test_every_event_is_sent_and_one_in_fifty_twice_while_its_session_still_knows_it() -> None:
    clicks = TRAFFIC.clicks("run", 1)
    sent = Counter(click.event_id for click in clicks)

    assert len(sent) == 5_000
    assert set(sent.values()) == {1, 2}
    assert len(clicks) == pytest.approx(5_100, rel=0.01)
    first: dict[str, int] = {}
    apart = [at - first.setdefault(click.event_id, at) for at, click in enumerate(clicks)]
    assert 0 < max(apart) < IDS_MAX


def test_most_sessions_are_short_and_a_few_are_long() -> None:
    lengths = sorted(Counter(click.session_id for click in TRAFFIC.clicks("run", 1)).values())

    assert lengths[len(lengths) // 2] < 50 < 200 < lengths[-1]


def test_a_hot_session_gets_its_share() -> None:
    clicks = Traffic(seed=7, events=5_000, sessions=100, hot=0.3).clicks("run", 1)

    assert sum(click.session_id == f"run-{hot_session(100)}" for click in clicks) == pytest.approx(1_530, rel=0.05)


def test_waves_have_other_sessions_and_other_events_each_time() -> None:
    first = TRAFFIC.clicks("run-0", 1)
    both = list(islice(TRAFFIC.waves("run", lambda: 1), len(first) + 100))

    assert both[: len(first)] == first
    assert {click.session_id for click in both[len(first) :]}.isdisjoint({click.session_id for click in first})
