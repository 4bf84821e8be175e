"""Laws of what a person is told of."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import pytest
from prometheus_client import CollectorRegistry

from stream.metrics import Metrics
from stream.progress import Heard, Lane
from stream.suspicion import Staleness, Suspicions, is_above_end, weigh


def weighed(shares: Iterable[tuple[int, int]], rewinding: bool = False) -> list[bool]:
    """One look a second, at each so many events and so many stale ones among them."""
    state, events, stale, seen = Staleness(), 0, 0, []
    for second, (new, new_stale) in enumerate(shares):
        events, stale = events + new, stale + new_stale
        state = weigh(state, events, stale, second, rewinding=rewinding)
        seen.append(state.lasts)
    return seen


def test_stale_events_are_suspicious_when_they_do_not_end() -> None:
    seen = weighed([(100, 100)] * 11)

    assert seen == [False] * 10 + [True]


def test_a_redelivery_is_not() -> None:
    assert not any(weighed([(1_000, 1_000)] * 5 + [(1_000, 10)] + [(1_000, 1_000)] * 5))


def test_nor_is_a_rewind() -> None:
    assert not any(weighed([(100, 100)] * 60, rewinding=True))


def test_a_pause_between_events_is_no_evidence() -> None:
    assert not any(weighed([(100, 100)] + [(0, 0)] * 60))


def lane(committed: int | None, end: int | None) -> Lane:
    return Lane(0, 0, 0, None, None, Heard(end=end, committed=committed), 0, 0.0)


def test_committed_offsets_belong_below_the_end_of_the_log() -> None:
    assert is_above_end(lane(11, 10))
    assert not is_above_end(lane(10, 10))
    assert not is_above_end(lane(None, 10))
    assert not is_above_end(lane(10, None))


def test_a_suspicion_is_logged_once_and_shown_as_long_as_it_holds(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(CollectorRegistry())
    suspicions = Suspicions(metrics)

    def shown() -> float | None:
        return metrics.registry.get_sample_value("nextclick_suspicious", {"what": "committed_above_end"})

    with caplog.at_level(logging.WARNING):
        suspicions.look([lane(11, 10)], 1, rewinding=False)
        suspicions.look([lane(11, 10)], 2, rewinding=False)
        assert shown() == 1
        suspicions.look([lane(10, 10)], 3, rewinding=False)

    assert shown() == 0
    (record,) = caplog.records
    assert "docs/architecture.md" in record.getMessage()


def test_stale_events_are_read_from_what_the_loop_counts() -> None:
    metrics = Metrics(CollectorRegistry())
    suspicions = Suspicions(metrics)

    for second in range(12):
        metrics.events.labels("view", "stale").inc(5)
        metrics.events.labels("view", "applied").inc(95)
        suspicions.look([], second, rewinding=False)

    assert metrics.registry.get_sample_value("nextclick_suspicious", {"what": "stale_events"}) == 1
