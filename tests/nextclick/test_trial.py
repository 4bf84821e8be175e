"""`nextclick bench worker|fresh`, and what they are held against: they run, they count, they leave nothing behind."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from nextclick.bench import counts, fresh
from nextclick.bench.counts import Counts
from nextclick.bench.trial import Module, Trial
from nextclick.cli import main
from nextclick.sample import BUNDLE
from nextclick.servers import free_port
from nextclick.worker import environment
from schemas import keys
from schemas.settings import Settings
from schemas.topics import specs
from serving.state import topics
from serving.state.pipeline import Call
from stream.metrics import Metrics
from tests.bench.entries import EACH, ECHO, FOLD, STRAIGHT, measured
from tests.kit.shop import Shop
from tests.kit.topic import eventually

SESSIONS = 60

pytestmark = [pytest.mark.kafka, pytest.mark.bench]


@pytest.fixture
def chosen(settings: Settings) -> Settings:
    return replace(settings, bundle=str(BUNDLE))


@pytest.fixture
def in_force(chosen: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(chosen).items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("in_force")
def test_every_event_is_folded_and_every_session_gets_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "worker", "--sessions", str(SESSIONS), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sessions"] == SESSIONS
    assert SESSIONS <= told["lists"] <= told["events"]
    assert told["events"] >= 2 * SESSIONS
    assert "load average" in told["conditions"]


@pytest.mark.usefixtures("in_force")
def test_every_click_that_is_due_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "fresh", "--rate", "20", "--rate", "40", "--seconds", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["rates"]
    assert [(each["rate"], each["clicks"], each["unanswered"]) for each in told] == [(20, 40, 0), (40, 80, 0)]
    for each in told:
        assert 0 < each["p50_ms"] <= each["p99_ms"]
        assert sum(bar["clicks"] for bar in each["histogram"]) == each["clicks"]


@pytest.mark.parametrize(
    ("module", "lists"),
    [
        pytest.param(STRAIGHT, 1.0, id="the straightforward pipeline sends a list an event"),
        pytest.param(FOLD, 0.0, id="folding alone makes none"),
        pytest.param(EACH, 1.0, id="without coalescing each event has its own"),
    ],
)
def test_what_is_measured_beside_the_worker_does_what_it_says(chosen: Settings, module: Module, lists: float) -> None:
    found = measured(chosen, module, SESSIONS)
    assert found.sessions == SESSIONS
    assert found.lists == lists * found.events


def test_the_echo_answers_every_click(chosen: Settings) -> None:
    with Trial(chosen, ECHO) as trial:
        clicks = iter(trial.clicks(fresh.sessions([20], seconds=2)))
        [found] = fresh.measure(trial, clicks, [20], seconds=2)
    assert len(found.each_ms) == 40
    assert inf not in found.each_ms


def test_a_trial_leaves_neither_topics_nor_sessions(chosen: Settings, shop: Shop) -> None:
    # given
    with Trial(chosen) as trial:
        clicks = trial.clicks(5)
        trial.produce(clicks)
        trial.begin()
        trial.await_counts(trial.counts, lambda counts: counts.events == len(clicks))
        sessions = [Call(("EXISTS", keys.session(click.session_id))) for click in clicks]
        assert set(shop.ask(sessions)) == {1}

    # then
    assert set(shop.ask(sessions)) == {0}
    names = [spec.name for spec in specs(trial.settings)]
    eventually(lambda: topics.missing(trial.settings, 10) == names, "its topics are gone")


def test_counts_are_those_of_the_workers_metrics() -> None:
    # given
    metrics = Metrics(CollectorRegistry())
    metrics.events.labels("view", "applied").inc(3)
    metrics.events.labels("cart", "duplicate").inc(1)
    metrics.lists.labels("stored").inc(2)
    metrics.lists.labels("coalesced").inc(5)
    metrics.pending.set(4)

    # then
    assert counts.told(generate_latest(metrics.registry).decode()) == Counts(events=4, lists=2, pending=4)


def test_a_worker_that_serves_no_metrics_yet_has_done_nothing() -> None:
    assert counts.read(free_port()) == Counts()
