"""How many events and rankings a second, against the straightforward pipeline on the same machine in the same run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nextclick.bench.trial import Trial
from nextclick.sample import BUNDLE
from nextclick.worker import STREAM
from schemas.settings import Settings
from tests.bench.entries import EACH, FOLD, STRAIGHT, measured

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3_600)]

SESSIONS = 20_000
#: Name -> module, and how many times the straightforward pipeline's events and rankings a second it is to reach.
ENTRIES = {
    "folding alone": (FOLD, 2.5, 0.0),
    "folding and ranking": (STREAM, 2.0, 1.5),
    "folding and ranking, coalescing off": (EACH, 2.0, 1.5),
}


def test_events_and_rankings_a_second(settings: Settings) -> None:
    chosen = replace(settings, partitions=8, bundle=str(BUNDLE))
    print(f"\n{Trial(chosen).conditions()}")
    straight = measured(chosen, STRAIGHT, SESSIONS)
    print(f"straightforward pipeline: {straight}")
    for name, (module, events, lists) in ENTRIES.items():
        found = measured(chosen, module, SESSIONS)
        print(f"{name}: {found}")
        print(f"  {_held(found.events_per_s / straight.events_per_s, events)} events/s", end="")
        print(f", {_held(found.lists_per_s / straight.lists_per_s, lists)} rankings/s" if lists else "")


def _held(times: float, asked: float) -> str:
    return f"{times:.2f} times its (asked: {asked:g})"
