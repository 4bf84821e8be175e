"""The fusion period: cut where the contract says, and ranked by what has not seen it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from serving.ranking.features import names
from serving.ranking.past import Past
from serving.ranking.pool import POOL
from serving.ranking.ranker import Considered, Ranker
from serving.ranking.sessions import DEEDS, Sessions
from serving.ranking.table import Table
from tests import worlds
from tests.worlds.signpost import TEMPERATURE, Signpost, led
from training.predictions import Predictions
from training.rehearsal import Scene, Split, examples, scenes

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SHOPS = st.lists(
    st.tuples(st.integers(0, 60 * HOUR_MS), st.lists(st.integers(0, 3 * HOUR_MS), max_size=5)), max_size=40
)


def past(shop: list[tuple[int, list[int]]], *, clocked: bool = True) -> Sessions:
    """Sessions by when they begin and how long they wait between events; session s touches item s alone."""
    shop = sorted(shop, key=lambda session: session[0])
    made = Sessions.listed([[s] * (1 + len(waits)) for s, (_, waits) in enumerate(shop)], len(shop))
    times = [begun + sum(waits[:at]) for begun, waits in shop for at in range(len(waits) + 1)]
    return Sessions(made.items, made.types, np.array(times, dtype=np.int64), made.starts, len(shop), clocked)


def begun(sessions: Sessions) -> list[int]:
    found: list[int] = sessions.times[sessions.starts[:-1]].tolist()
    return found


@given(shop=SHOPS, most=st.integers(1, 60), enough=st.integers(0, 60), clocked=st.booleans())
def test_the_period_is_the_end_of_the_log_and_nothing_of_it_lies_before(
    shop: list[tuple[int, list[int]]], most: int, enough: int, clocked: bool
) -> None:
    # given
    log = past(shop, clocked=clocked)

    # when
    split = Split.of(log, most, enough)

    # then: the last sessions, whole
    period = split.period
    kept = log.between(len(log) - len(period), len(log))
    assert period.items.tolist() == kept.items.tolist()
    assert len(period) <= -(-len(log) // 5)
    assert split.predictions == len(Predictions.of(period)) <= most
    if clocked and len(period):
        assert period.times.min() >= log.times.max() - DAY_MS or split.predictions <= enough
        # Who began before is cut at its start, and nothing else is lost.
        before = [time for time in log.times[: log.starts[len(log) - len(period)]].tolist() if time < period.times[0]]
        assert split.base.times.tolist() == before
    else:
        assert len(split.base.items) == len(log.items) - len(period.items)


@given(shop=SHOPS, enough=st.integers(0, 60), clocked=st.booleans())
def test_the_period_is_as_long_as_it_may_be(shop: list[tuple[int, list[int]]], enough: int, clocked: bool) -> None:
    # given
    log = past(shop, clocked=clocked)

    # when
    period = Split.of(log, 30, enough).period

    # then: with one session more it would break a rule
    first = len(log) - len(period) - 1
    if first >= 0:
        longer = log.between(first, len(log))
        assert (
            len(longer) > len(log) / 5
            or len(Predictions.of(longer)) > 30
            or (clocked and begun(log)[first] < log.times.max() - DAY_MS and len(Predictions.of(longer)) > enough)
        )


def test_only_what_is_asked_for_counts_as_a_prediction() -> None:
    # given: of 10 sessions, views and as many carts between them
    log = Sessions.listed([[0, 1, 2, 3]] * 10, 4)
    types = np.tile(np.array([0, 1, 0, 1], dtype=np.uint8), 10)
    assert DEEDS[1] == "cart"

    # then
    assert Split.of(Sessions(log.items, types, log.times, log.starts, 4, clocked=False), 40_000).predictions == 2


@dataclass(slots=True)
class Counting:
    """A ranker that notes what it is counted from."""

    table: Table
    pasts: list[Past] = field(default_factory=list)

    def recounted(self, past: Past) -> Counting:
        return Counting(self.table, [past])


@given(shop=st.lists(st.tuples(st.integers(0, 20 * HOUR_MS), st.lists(st.integers(1, HOUR_MS), min_size=1, max_size=4)),
                     min_size=10, max_size=40), refreshes=st.integers(1, 5))  # fmt: skip
def test_counts_that_are_made_again_hold_nothing_of_who_is_asked_nor_of_what_comes_later(
    shop: list[tuple[int, list[int]]], refreshes: int
) -> None:
    # given
    log = past(shop)
    split = Split.of(log, 40_000)
    asked = Predictions.of(split.period)

    # when
    first, *live = staged(split, log, asked, refreshes)

    # then
    assert first.asked is asked
    events = Counter[int]()
    for scene in live:
        [counted] = cast(Counting, scene.ranker).pasts
        assert not set(counted.sessions.items.tolist()) & set(split.period.items[scene.asked.events].tolist())
        assert counted.sessions.times.max(initial=-1) < scene.asked.moments.min()
        assert begun(counted.sessions) == sorted(begun(counted.sessions))
        events.update(scene.asked.events.tolist())
    assert all(count == 1 for count in events.values())
    assert len(live) <= refreshes


def staged(split: Split, log: Sessions, asked: Predictions, refreshes: int) -> list[Scene]:
    nobody = worlds.World(log.catalogue, ()).table
    return list(scenes(cast(Ranker, Counting(nobody)), split, asked, refreshes))


def test_what_lies_behind_the_first_refresh_is_seen_under_both_regimes() -> None:
    # given: an hour of sessions, one a minute
    log = past([(minute * 60_000, [1_000, 1_000]) for minute in range(100)])
    split = Split.of(log, 40_000)
    asked = Predictions.of(split.period)

    # when
    first, *live = staged(split, log, asked, 3)

    # then
    assert len(first.asked) == 40
    assert [len(scene.asked) for scene in live] == [10, 10, 10]
    assert sorted(event for scene in live for event in scene.asked.events) == asked.events[10:].tolist()


def test_without_a_clock_counts_are_never_made_again() -> None:
    log = past([(minute * 60_000, [1_000, 1_000]) for minute in range(100)], clocked=False)
    split = Split.of(log, 40_000)
    assert len(staged(split, log, Predictions.of(split.period), 3)) == 1


@pytest.fixture(scope="module")
def world() -> worlds.World:
    return worlds.chain()


@pytest.fixture(scope="module")
def ranker(world: worlds.World) -> Ranker:
    return led(worlds.ranker(world, drop_last_item=True), Signpost(world.items))


def bare(considered: Considered) -> NDArray[np.float32]:
    """Half of what is said of an item; of every third no words are known."""
    return np.where(considered.pool.ids % 3 == 0, np.float32(np.nan), considered.logits / 2)


class TestExamples:
    def test_an_example_is_a_pool_with_the_item_that_came_next(self, world: worlds.World, ranker: Ranker) -> None:
        # given
        asked = Predictions.of(world.sessions).at(np.arange(300))
        pools = [each.pool for each in ranker.consider(list(asked))]
        inside = [target in pool.ids for pool, target in zip(pools, asked.targets.tolist(), strict=True)]

        # when
        said: list[tuple[int, int]] = []
        found = examples([Scene(ranker, asked)], bare, 999, 2, lambda done, of: said.append((done, of)))

        # then
        assert len(found) == sum(inside) > 200
        assert found.sizes.tolist() == [len(pool) for pool, kept in zip(pools, inside, strict=True) if kept]
        assert (found.targets < found.sizes).all()
        assert found.sessions.tolist() == asked.owners[inside].tolist()
        assert said == [(1, 1)]
        # The signpost knows the next on the shelf, and so its logit stands where the target is said to be.
        steps = asked.targets == asked.sessions.items[asked.events - 1] + 1
        assert (found.logits[np.arange(len(found)), found.targets][steps[inside]] == TEMPERATURE).all()

    def test_its_features_are_those_that_production_sees_and_padding_has_none(
        self, world: worlds.World, ranker: Ranker
    ) -> None:
        # when
        found = examples(
            [Scene(ranker, Predictions.of(world.sessions).at(np.arange(50)))], bare, 50, 1, lambda done, of: None
        )

        # then
        columns = names(tuple(ranker.sources))
        assert found.features.shape == (len(found), POOL, len(columns))
        outside = np.arange(POOL)[None] >= found.sizes[:, None]
        assert not found.features[outside].any()
        assert not found.logits[outside].any()
        assert (found.features[~outside][:, columns.index("length")] > 0).all()

    def test_beside_each_logit_stands_what_it_were_of_an_item_that_nobody_touched(
        self, world: worlds.World, ranker: Ranker
    ) -> None:
        # given
        asked = Predictions.of(world.sessions).at(np.arange(50))

        # when
        found = examples([Scene(ranker, asked)], bare, 50, 1, lambda done, of: None)

        # then
        worded = np.isfinite(found.bare)
        assert np.array_equal(found.bare[worded], found.logits[worded] / 2)
        assert 0 < (~worded).sum() < found.sizes.sum()

    def test_the_threads_that_help_change_nothing(self, world: worlds.World, ranker: Ranker) -> None:
        # given
        asked = Predictions.of(world.sessions).at(np.arange(700))

        # when
        one, two = (examples([Scene(ranker, asked)], bare, 999, threads, lambda done, of: None) for threads in (1, 4))

        # then
        assert np.array_equal(one.features, two.features)
        assert np.array_equal(one.targets, two.targets)

    def test_where_no_pool_holds_the_next_item_there_is_no_example(self, ranker: Ranker) -> None:
        strangers = Sessions.listed([[1, 1], [2, 2]], 40)
        found = examples([Scene(ranker, Predictions.of(strangers))], bare, 99, 1, lambda done, of: None)
        assert len(found) == 0
        assert found.features.ndim == 3
