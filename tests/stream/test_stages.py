"""Laws of the counts by stage: what prometheus_client's own histograms would say, said at once for many."""

from __future__ import annotations

from typing import get_args

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from stream.stages import _BUCKETS_S, Stage, Stages


def told(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_they_say_what_a_histogram_of_prometheus_says(registry: CollectorRegistry) -> None:
    spent = [0.0, 0.0004, 0.0005, 0.0006, 0.03, 0.5, 59.0, 60.0, 61.0, 1_000.0]
    stages = Stages(registry, lambda: 1_000.0)
    theirs = CollectorRegistry()
    histogram = Histogram(
        "nextclick_stage_seconds", "", ["stage"], buckets=_BUCKETS_S, registry=theirs
    )  # fmt: skip

    for each in spent:
        stages.ended("rank", 1_000.0 - each)
        histogram.labels("rank").observe(1_000.0 - (1_000.0 - each))

    ours = [line for line in told(registry) if 'stage="rank"' in line]
    assert ours == [line for line in told(theirs) if "_created" not in line]


def test_many_at_once_are_as_many_one_by_one(registry: CollectorRegistry) -> None:
    at_once, one_by_one = Stages(registry, lambda: 10.0), Stages(alone := CollectorRegistry(), lambda: 10.0)

    at_once.ended("fold", 9.5, 3)
    at_once.each_ended("queue", [9.0, 9.5])
    for begun_s in (9.5, 9.5, 9.5):
        one_by_one.ended("fold", begun_s)
    for begun_s in (9.0, 9.5):
        one_by_one.ended("queue", begun_s)

    assert told(registry) == told(alone)


def test_a_record_of_a_clock_that_is_ahead_has_waited_no_time(registry: CollectorRegistry) -> None:
    Stages(registry, lambda: 10.0).each_ended("queue", [12.0])

    assert registry.get_sample_value("nextclick_stage_seconds_sum", {"stage": "queue"}) == 0
    assert registry.get_sample_value("nextclick_stage_seconds_count", {"stage": "queue"}) == 1


def test_every_stage_is_told_before_anything_has_happened(registry: CollectorRegistry) -> None:
    Stages(registry, lambda: 0.0)

    counts = [registry.get_sample_value("nextclick_stage_seconds_count", {"stage": each}) for each in get_args(Stage)]
    assert counts == [0.0] * 6
