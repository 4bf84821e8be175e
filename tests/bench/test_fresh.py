"""From a click's intended send time to a subscriber's receipt of the first list that knows it, beside a bare echo."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nextclick.bench import fresh
from nextclick.bench.latencies import Latencies
from nextclick.bench.trial import Module, Trial
from nextclick.sample import BUNDLE
from nextclick.worker import STREAM
from schemas.settings import Settings
from tests.bench.entries import ECHO

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

RATES = (100, 300, 500, 1_000)
SECONDS = 20
#: A broker that has just begun compiles itself for half a minute, and takes twice the processor time for a record.
WARMING_S = 30


def test_click_to_recommendation(settings: Settings) -> None:
    chosen = replace(settings, partitions=8, bundle=str(BUNDLE))
    print(f"\n{Trial(chosen).conditions()}")
    for echo, ours in zip(_measured(chosen, ECHO), _measured(chosen, STREAM), strict=True):
        print("bare echo, " + "\n".join(echo.lines()))
        print("worker, " + "\n".join(ours.lines()))
        times = {name: ms / echo.shares_ms[name] for name, ms in ours.shares_ms.items()}
        print(", ".join(f"{name} {each:.2f}" for name, each in times.items()) + " times the echo's (asked: 2 at most)")
        assert echo.unanswered == ours.unanswered == 0


def _measured(settings: Settings, module: Module) -> list[Latencies]:
    with Trial(settings, module) as trial:
        clicks = iter(trial.clicks(fresh.sessions(RATES, SECONDS, WARMING_S)))
        return fresh.measure(trial, clicks, RATES, SECONDS, WARMING_S)
