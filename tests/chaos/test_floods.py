"""S10: a session that clicks like a third of the shop, and a producer that nobody keeps up with, stay harmless."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf

import pytest

from tests.chaos.stage import Stage
from tests.kit import freshness
from tests.kit.crew import Crew
from tests.kit.freshness import Answer, percentile
from tests.kit.group import watched
from tests.kit.load import Load, message
from tests.kit.shop import Shop, beside
from tests.kit.traffic import VIEWS, Traffic, hot_session

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(2_400)]

CALM = Traffic(seed=15, events=100_000, sessions=2_000, duplicates=0, kinds=VIEWS)
HOT = replace(CALM, hot=0.3)
RATE = 350.0
#: Of what other sessions wait without the hot one, beside it.
WAIT_MAX = 2.0

WARM = Traffic(seed=16, events=10_000, sessions=400)
FLOOD = Traffic(seed=17, events=10_000, sessions=400, hot=0.3)
FLOOD_S = 60.0
#: How much faster the producer is than the worker.
FASTER = 5.0
GROWTH_MAX_MIB = 50.0
GRACE_S = 120.0


def test_one_hot_session_keeps_no_other_waiting(shop: Shop) -> None:
    shops = [shop, beside(shop)]
    for each in shops:
        freshness.stamp_lists(each.settings)
    with _at_work(shops[0]) as hot, _at_work(shops[1]) as calm:
        with _load(shops[0], HOT, RATE) as heated, _load(shops[1], CALM, RATE) as cool:
            for load in (heated, cool):
                load.finish()
        for stage in (hot, calm):
            _drain(stage)
            stage.crew.dismiss_all()

    waited, unheated = (percentile(_of_others(each), 99) for each in shops)
    verdict = shop.verdict()
    print(
        f"\nseed {CALM.seed}: {CALM.events:,} clicks at {RATE:.0f}/s, {HOT.hot:.0%} of them of one session: of the "
        f"others 99 of 100 wait {waited:.0f} ms at most; beside it, without that session, {unheated:.0f} ms; {verdict}"
    )
    assert verdict.is_whole
    assert waited <= WAIT_MAX * unheated


def test_a_producer_that_nobody_keeps_up_with_costs_little_memory(shop: Shop) -> None:
    with _at_work(shop) as stage:
        started = time.monotonic()
        with _load(shop, WARM) as load:
            load.finish()
        _drain(stage)
        rate = FASTER * WARM.events / (time.monotonic() - started)
        weights = next(iter(stage.crew.vitals.values()))
        warm, before = weights[-1].memory_mib, stage.group.committed()

        clicks = FLOOD.waves(f"{shop.settings.group}f", _now_ms)
        with Load(shop.settings.kafka, shop.names.clickstream, map(message, clicks), rate) as flood:
            stage.pass_time(FLOOD_S)
        flood.finish()
        handled = stage.group.committed() - before
        stage.pass_time(5)
        stage.crew.dismiss_all()

    grew = max(vital.memory_mib for vital in weights) - warm
    print(
        f"\nseed {FLOOD.seed}: {flood.sent:,} events in {FLOOD_S:.0f} s, {FLOOD.hot:.0%} of each wave of one session; "
        f"{handled:,} handled meanwhile; {warm:.0f} MiB before, {grew:.0f} MiB more at most"
    )
    assert flood.sent > 2 * handled, "it kept up, so it proves nothing"
    assert stage.crew.exits == []
    assert grew <= GROWTH_MAX_MIB


@contextmanager
def _at_work(shop: Shop) -> Iterator[Stage]:
    """One worker."""
    with Crew(shop.worker, 1) as crew, watched(shop.settings) as group:
        crew.await_assigned()
        yield Stage(shop, crew, group)


def _load(shop: Shop, traffic: Traffic, rate: float = inf) -> Load:
    clicks = traffic.clicks(shop.settings.group, _now_ms())
    return Load(shop.settings.kafka, shop.names.clickstream, map(message, clicks), rate)


def _drain(stage: Stage) -> None:
    stage.await_that(lambda: stage.group.lag() == 0 and stage.shop.owed() == 0, "all is done", GRACE_S)


def _of_others(shop: Shop) -> list[Answer]:
    hot = f"{shop.settings.group}-{hot_session(CALM.sessions)}"
    return [answer for answer in freshness.read(shop.settings) if answer.session_id != hot]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
