"""Laws of the watchdog's shell: what it looks at, when it asks Kafka, and how it ends a worker. Time passes by hand."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry

from schemas.errors import KafkaError
from stream.health import Health
from stream.metrics import Metrics
from stream.progress import FRESH_MS, Heard, Progress
from stream.soundings import ASK_EVERY_S, Soundings
from stream.watchdog import Limits, Watchdog

EPOCH_MS = 1_700_000_000_000
STALL_S, PATIENCE_S = 30, 45


class Scene:
    """A worker with one partition, its Kafka, and the watchdog that looks at them once a second."""

    def __init__(self) -> None:
        self.now_s = 0
        self.client: dict[int, Heard] = {}
        self.ends: Mapping[int, int] | None = None
        self.asked: list[tuple[int, list[int]]] = []
        self.lacking: set[str] = set()
        self.waits_for: str | None = None
        self.exits = 0
        self.progress = Progress()
        self.soundings = Soundings(self, self.ask)
        self.health = Health(10, lambda: self.now_s)
        self.metrics = Metrics(CollectorRegistry())
        self.watchdog = Watchdog(
            self.progress, self.soundings, self, self.health, self.metrics, Limits(STALL_S, 30, PATIENCE_S),
            self.exit, lambda: self.now_s, lambda: self.now_ms,
        )  # fmt: skip

    @property
    def now_ms(self) -> int:
        return EPOCH_MS + self.now_s * 1_000

    def heard(self) -> Mapping[int, Heard]:
        return self.client

    def ask(self, partitions: Sequence[int]) -> Mapping[int, int]:
        self.asked.append((self.now_s, list(partitions)))
        if self.ends is None:
            raise KafkaError("away")
        return {number: self.ends[number] for number in partitions}

    def model(self) -> str:
        return "m1"

    def lacks(self) -> set[str]:
        return self.lacking

    def excuse(self) -> str | None:
        return self.waits_for

    def is_rewinding(self) -> bool:
        return False

    def describe(self) -> Iterator[str]:
        yield "queue: 7"

    def exit(self) -> None:
        self.exits += 1

    def hear(self, position: int, end: int) -> None:
        self.client = {0: Heard(position, end, self.now_ms, position)}

    def looks(self, seconds: int, fresh: bool = False) -> int | None:
        """Looks once a second; the second at which the worker was ended, if it was."""
        for _ in range(seconds):
            self.now_s += 1
            if fresh:
                self.hear(self.client[0].position or 0, self.client[0].end or 0)
            self.watchdog.look()
            if self.exits:
                return self.now_s
        return None


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.progress.assign([0], scene.now_ms)
    return scene


def test_a_client_that_hears_from_kafka_spares_kafka_the_question(scene: Scene) -> None:
    scene.hear(100, 100)

    assert scene.looks(120, fresh=True) is None
    assert scene.asked == []


def test_a_worker_that_stands_still_ends_within_the_limit_and_five_seconds(scene: Scene) -> None:
    scene.hear(100, 150)

    ended = scene.looks(60, fresh=True)

    assert ended is not None
    assert STALL_S <= ended <= STALL_S + 5


def test_a_client_that_hears_nothing_any_more_is_found_out_by_asking_kafka(scene: Scene) -> None:
    scene.hear(100, 100)
    scene.ends = {0: 150}

    ended = scene.looks(120)

    assert scene.asked[0] == (FRESH_MS // 1_000 + 1, [0]), "its last word held for a while"
    assert ended is not None
    assert ended <= FRESH_MS / 1_000 + STALL_S + 5


def test_a_partition_that_was_never_fetched_is_found_out_too(scene: Scene) -> None:
    scene.ends = {0: 150}

    assert scene.looks(40) is not None


def test_a_kafka_that_does_not_answer_is_waited_for_within_the_budget_and_no_longer(scene: Scene) -> None:
    scene.hear(100, 150)

    ended = scene.looks(200)

    assert ended is not None
    assert STALL_S + PATIENCE_S <= ended <= STALL_S + PATIENCE_S + 10
    questions = [at for at, _ in scene.asked]
    assert min(later - earlier for earlier, later in pairwise(questions)) >= ASK_EVERY_S


def test_a_kafka_that_is_away_from_a_worker_with_nothing_to_do_ends_nobody_and_is_said(scene: Scene) -> None:
    scene.hear(100, 100)

    assert scene.looks(600) is None
    assert b'"degraded":["kafka"]' in scene.health.ready().body
    degraded = {"service": "kafka"}
    assert scene.metrics.registry.get_sample_value("nextclick_degraded", degraded) == 1

    scene.hear(100, 100)
    scene.looks(1)
    assert b'"degraded":[]' in scene.health.ready().body
    assert scene.metrics.registry.get_sample_value("nextclick_degraded", degraded) == 0


def test_whoever_waits_for_what_he_may_wait_for_is_not_stuck(scene: Scene) -> None:
    scene.hear(100, 150)
    scene.waits_for = "the catalogue is loading"

    assert scene.looks(300, fresh=True) is None


def test_a_worker_that_waits_for_partitions_asks_whether_kafka_is_there(scene: Scene) -> None:
    scene.progress.revoke()
    scene.ends = {}

    ended = scene.looks(200)

    assert scene.asked[0][1] == []
    assert ended is not None
    assert 3 * STALL_S <= ended <= 3 * STALL_S + 5


def test_a_worker_that_drains_is_left_alone(scene: Scene) -> None:
    scene.hear(100, 150)
    scene.health.draining.set()

    assert scene.looks(120, fresh=True) is None


def test_the_last_words_say_why_and_what_everybody_was_doing(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.hear(100, 150)

    with caplog.at_level(logging.CRITICAL):
        scene.looks(60, fresh=True)

    (record,) = caplog.records
    words = record.getMessage()
    assert words.startswith("the worker ends: records wait on partitions 0 (50)")
    assert "partition 0: assigned 31.0 s ago" in words
    assert "queue: 7" in words
    assert "thread MainThread:" in words


def test_each_partition_of_ours_and_no_other_is_shown(scene: Scene) -> None:
    def sample(name: str) -> float | None:
        return scene.metrics.registry.get_sample_value(name, {"partition": "0"})

    scene.hear(100, 150)
    scene.looks(3)
    assert (sample("nextclick_lag_records"), sample("nextclick_lag_seconds")) == (50, 3)
    assert sample("nextclick_acknowledged_age_seconds") == 3
    assert scene.metrics.registry.get_sample_value("nextclick_assigned_partitions") == 1

    scene.progress.assign([1], scene.now_ms)
    scene.looks(1)
    assert sample("nextclick_lag_records") is None
