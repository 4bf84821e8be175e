"""S12: under half the load that it could bear, a worker neither grows nor slows down.

An hour, or as many minutes as NEXTCLICK_TEST_SOAK_MINUTES says.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import linear_regression
from typing import Final

import pytest

from schemas import facts
from schemas.session import IDLE_MS
from tests.chaos.stage import SLOWNESS, Stage
from tests.kit.crew import Crew, Vital
from tests.kit.curves import Panel, picture
from tests.kit.group import watched
from tests.kit.load import Load, message
from tests.kit.shop import Shop
from tests.kit.traffic import Traffic

MINUTES: Final = float(os.environ.get("NEXTCLICK_TEST_SOAK_MINUTES", "60"))
#: Where the curves are drawn, if anywhere.
PICTURE: Final = os.environ.get("NEXTCLICK_TEST_SOAK_PICTURE", "")

CAPACITY = Traffic(seed=18, events=10_000, sessions=400)
WAVE = Traffic(seed=19, events=20_000, sessions=800)
LOAD = 0.5
GRACE_S = 180.0
#: Until then a worker still fills what it will keep: arenas, buffers, caches.
WARM_UP = 0.2
SLOPE_MAX_MIB_PER_MINUTE = 1.0
DESCRIPTORS_MORE = 8
LOOP_LAG_P99_MAX_S = 0.05
LOOP_LAG: Final = "nextclick_loop_lag_seconds"
#: A point of the curve of the loop's lag is of so long.
SPAN_S: Final = 60.0


@pytest.mark.soak
@pytest.mark.timeout(MINUTES * 60 + 1_800)
def test_a_worker_stays_as_it_is(shop: Shop) -> None:
    with Crew(shop.worker, 1) as crew, watched(shop.settings) as group:
        crew.await_assigned()
        stage = Stage(shop, crew, group)
        rate = LOAD * _capacity(stage)
        clicks = WAVE.waves(f"{shop.settings.group}s", _now_ms)
        began, deepest = time.monotonic(), 0
        heard = [(began, crew.workers[0].metrics())]
        with Load(shop.settings.kafka, shop.names.clickstream, map(message, clicks), rate) as load:
            while time.monotonic() - began < MINUTES * 60:
                stage.pass_time(5)
                deepest = max(deepest, group.lag())
                if time.monotonic() - heard[-1][0] > SPAN_S:
                    heard.append((time.monotonic(), crew.workers[0].metrics()))
        load.finish()
        _drain(stage)
        (worker,) = crew.workers
        told = worker.metrics()
        crew.dismiss_all()

    vitals = [vital for vital in crew.vitals[worker.name] if vital.at_s > began + WARM_UP * MINUTES * 60]
    slope, descriptors = _slope(vitals), [vital.descriptors for vital in vitals]
    lag_s = _p99(told, LOOP_LAG)
    differ = _differ(shop)
    if PICTURE:
        title = f"A worker under {rate:.0f} clicks a second for {MINUTES:g} minutes"
        Path(PICTURE).write_text(picture(title, _panels(began, crew.vitals[worker.name], heard)), encoding="utf-8")
    print(
        f"\nseed {WAVE.seed}: {load.sent:,} events at {rate:.0f}/s for {MINUTES:g} min; memory "
        f"{vitals[0].memory_mib:.0f} to {vitals[-1].memory_mib:.0f} MiB, {slope:+.2f} MiB a minute; descriptors "
        f"{descriptors[0]} to {descriptors[-1]}, {max(descriptors)} at most; loop lag p99 "
        f"{'not measured' if lag_s is None else f'within {lag_s * 1_000:.0f} ms'}; "
        f"{deepest:,} records behind at most; {len(differ)} sessions differ"
    )
    assert crew.exits == []
    assert differ == []
    assert slope < SLOPE_MAX_MIB_PER_MINUTE
    assert max(descriptors) <= descriptors[0] + DESCRIPTORS_MORE
    assert lag_s is None or lag_s <= LOOP_LAG_P99_MAX_S * SLOWNESS


def _capacity(stage: Stage) -> float:
    """Events a second, lists included."""
    clicks = CAPACITY.clicks(f"{stage.shop.settings.group}c", _now_ms())
    started = time.monotonic()
    with Load(stage.shop.settings.kafka, stage.shop.names.clickstream, map(message, clicks)) as load:
        load.finish()
    _drain(stage)
    return len(clicks) / (time.monotonic() - started)


def _drain(stage: Stage) -> None:
    stage.await_that(lambda: stage.group.lag() == 0 and stage.shop.owed() == 0, "all is done", GRACE_S)


def _slope(vitals: Sequence[Vital]) -> float:
    """MiB a minute."""
    minutes = [vital.at_s / 60 for vital in vitals]
    return linear_regression(minutes, [vital.memory_mib for vital in vitals]).slope


def _p99(told: dict[str, float], histogram: str, since: dict[str, float] | None = None) -> float | None:
    """The bucket that 99 of 100 are within; None where nothing was observed."""
    counts = {name: held - (since or {}).get(name, 0) for name, held in told.items() if name.startswith(histogram)}
    total = counts.get(f"{histogram}_count")
    if not total:
        return None
    bounds = {
        float(name.partition('le="')[2].rstrip('"}')): held for name, held in counts.items() if "_bucket{" in name
    }
    return min(bound for bound, held in bounds.items() if held >= 0.99 * total)


def _panels(began_s: float, vitals: Sequence[Vital], heard: Sequence[tuple[float, dict[str, float]]]) -> list[Panel]:
    kept = [vital for vital in vitals if vital.at_s >= began_s][:: max(1, len(vitals) // 360)]
    lags = [
        ((at_s - began_s) / 60, 1_000 * (_p99(told, LOOP_LAG, before) or 0))
        for (_, before), (at_s, told) in pairwise(heard)
    ]
    return [
        Panel("memory, MiB", [((vital.at_s - began_s) / 60, vital.memory_mib) for vital in kept]),
        Panel("descriptors", [((vital.at_s - began_s) / 60, vital.descriptors) for vital in kept]),
        Panel("99 of 100 times the event loop was at most so late, ms (upper end of the bucket)", lags),
    ]


def _differ(shop: Shop) -> list[str]:
    """Of the sessions that Redis still has to have: those of the last half hour, and what is left of older ones."""
    expected = {name: fields for name, fields in shop.expected().items() if fields}
    found = shop.found(expected)
    alive = _now_ms() - IDLE_MS
    return [
        name
        for name, fields in expected.items()
        if found[name] != fields and (found[name] or facts.decode(fields).seen > alive)
    ]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
