"""Laws of the event loop's pulse: a real loop, beats by hand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from stream.metrics import Metrics
from stream.pulse import BEAT_S, Pulse

LIMIT_S = 5.0


class Patient:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.loop = asyncio.new_event_loop()
        self.metrics = Metrics(CollectorRegistry())
        self.cries: list[str] = []
        self.pulse = Pulse(self.loop, lambda: self.now_s, self.metrics, LIMIT_S, self.cries.append, threading.Event())

    def turn(self) -> None:
        """The loop comes round once."""
        self.loop.run_until_complete(asyncio.sleep(0))

    def beats(self, seconds: float) -> None:
        for _ in range(round(seconds / BEAT_S)):
            self.now_s += BEAT_S
            self.pulse.beat()

    def sample(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(name)


@pytest.fixture
def patient() -> Iterator[Patient]:
    patient = Patient()
    yield patient
    patient.loop.close()


def test_the_lag_is_how_late_the_loop_comes_to_what_is_due(patient: Patient) -> None:
    patient.pulse.beat()
    patient.now_s += 0.2
    patient.turn()

    assert patient.sample("nextclick_loop_lag_seconds_count") == 1
    assert patient.sample("nextclick_loop_lag_seconds_sum") == pytest.approx(0.2)


def test_a_loop_that_does_not_come_round_is_shown_while_it_does_not(patient: Patient) -> None:
    patient.pulse.beat()
    patient.beats(2)
    assert patient.sample("nextclick_loop_silent_seconds") == pytest.approx(2)

    patient.turn()
    assert patient.sample("nextclick_loop_silent_seconds") == 0
    assert patient.sample("nextclick_loop_lag_seconds_sum") == pytest.approx(2)


def test_a_loop_that_is_blocked_for_the_limit_is_told_of_once(patient: Patient) -> None:
    patient.pulse.beat()

    patient.beats(LIMIT_S - BEAT_S)
    assert patient.cries == []
    patient.beats(10 * LIMIT_S)

    assert patient.cries == ["the event loop has been blocked for 5 s"]


def test_a_loop_that_comes_round_now_and_then_is_not_blocked(patient: Patient) -> None:
    for _ in range(20):
        patient.beats(LIMIT_S - BEAT_S)
        patient.turn()

    assert patient.cries == []


def test_a_process_that_was_frozen_as_a_whole_does_not_blame_its_loop(patient: Patient) -> None:
    patient.pulse.beat()

    patient.now_s += 100 * LIMIT_S
    patient.beats(1)

    assert patient.cries == []
