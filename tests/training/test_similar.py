"""What similar items are measured by, on shelves whose answers are known."""

from __future__ import annotations

import pytest

from tests import worlds
from tests.worlds import World
from tests.worlds.signpost import Signpost, led
from training.predictions import Predictions, told_by
from training.similar import Case, cases, measure


def ask(world: World, most: int = 1_000) -> list[Case]:
    ranker = worlds.ranker(world)
    return cases(ranker, Predictions.of(told_by(ranker.table, world.log)), most, seed=1)


def test_what_came_before_the_anchor_is_the_session_and_what_came_after_the_target() -> None:
    # given: of five touches the first two are no case's anchor and target
    found = ask(World(6, ((1, 2, 3, 2, 4), (5, 0))))

    # then: 2 after 1, 2, 3 is no target, since no list may have it
    assert [(case.anchor, case.target) for case in found] == [(2, 3), (2, 4)]
    assert [[action.item_id[-1] for action in case.session.recent] for case in found] == [["1"], ["1", "2", "3"]]


def test_so_many_are_asked_by_chance_and_always_the_same() -> None:
    world = worlds.chain()
    assert len(ask(world, 50)) == 50
    assert ask(world, 50) == ask(world, 50)
    assert len(ask(world)) > 50


def test_a_session_that_points_to_the_target_hits_it_the_more_the_more_it_says() -> None:
    # given: shelves of 40 on which everybody walks from i to i + 1, and a model that knows it
    world = World(80, tuple((at, at + 2, at + 1) for at in range(77)))
    ranker = led(worlds.ranker(world), Signpost(world.items))

    # when
    found = measure(ranker, ask(world), (0.0, 1.0))

    # then
    assert found[1.0].hit_rate >= found[0.0].hit_rate > 0
    assert found[1.0].hit_rate == pytest.approx(1.0)


def test_likeness_is_that_of_categories_where_there_are_any() -> None:
    # given: lamps and rugs, touched at random
    ranker = worlds.ranker(worlds.shelves())
    found = measure(ranker, ask(worlds.shelves(), 100), (0.0,))

    # then: there are 20 of each and the list has all
    assert found[0.0].likened == 100
    assert 0.4 < found[0.0].likeness < 0.8
