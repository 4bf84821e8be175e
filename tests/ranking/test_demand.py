"""Ranking on demand is ranking: the same scores by the stored vector, without what is not to be shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nextclick import sample
from schemas.item import Entry, Item
from schemas.placement import Placement
from schemas.session import Action, Session
from schemas.wire import EpochMs
from serving.ranking import demand
from serving.ranking.assortment import Assortment, Stocked
from serving.ranking.ranker import ASKED, EMPTY_CATALOGUE, EMPTY_SESSION, Ranker
from serving.ranking.rules import Rules
from serving.state import bundles
from tests import worlds
from tests.test_fences import python
from tests.worlds import NOW, name, session

NEUTRAL = Placement.default()


@pytest.fixture(scope="module")
def learned() -> Ranker:
    """With a model: the sample's."""
    return bundles.load(Path(sample.__file__).parent / "bundle")


def stocked(ranker: Ranker) -> Stocked:
    return Assortment(ranker).stocked


def shopper(ranker: Ranker, *places: int) -> Session:
    now = ranker.counts.until
    actions = tuple(Action(ranker.table.id(place), "view", now + at) for at, place in enumerate(places))
    return Session(started=now, seen=now, version=len(places), recent=actions)


def test_a_list_made_anew_is_the_list_that_was_stored(learned: Ranker) -> None:
    someone, now = shopper(learned, 7, 80, 7, 300), learned.counts.until + 1_000
    [ranked] = learned.rank([someone], now)
    rules = Rules(NEUTRAL, learned.table)

    for vector in (ranked.vector, None):
        found = demand.anew(stocked(learned), someone, vector, now, rules, frozenset(), 60)
        assert [each.item_id for each in found.items] == [each.item_id for each in ranked.items]
        assert (found.pool_size, found.fallback) == (ranked.pool_size, None)


def test_another_sessions_vector_in_its_place_changes_the_answer(learned: Ranker) -> None:
    someone, other, now = shopper(learned, 7, 80), shopper(learned, 2_000), learned.counts.until + 1_000
    [theirs] = learned.rank([other], now)
    rules = Rules(NEUTRAL, learned.table)

    own, wrong = (
        demand.anew(stocked(learned), someone, vector, now, rules, frozenset(), 60).items
        for vector in (None, theirs.vector)
    )
    assert [each.item_id for each in own] != [each.item_id for each in wrong]


def test_candidates_that_are_the_pool_score_as_they_do_there(learned: Ranker) -> None:
    someone, now = shopper(learned, 7, 80, 7, 300), learned.counts.until + 1_000
    [considered] = learned.consider([learned.query(someone.recent, now)])
    whole = learned.listed(considered, 200)

    found = demand.among(stocked(learned), someone, None, now, [each.item_id for each in reversed(whole)])

    assert [each.item_id for each in found.items] == [each.item_id for each in whole]
    assert np.allclose([each.score for each in found.items], [each.score for each in whole], rtol=1e-4, atol=1e-4)
    assert [(each.source, each.reason) for each in found.items] == [(each.source, each.reason) for each in whole]


def test_few_candidates_are_held_against_the_best_of_all_not_of_themselves(learned: Ranker) -> None:
    someone, now = shopper(learned, 7, 80, 7, 300), learned.counts.until + 1_000
    [considered] = learned.consider([learned.query(someone.recent, now)])
    whole = {each.item_id: each.score for each in learned.listed(considered, 200)}
    few = list(whole)[150:160]

    found = demand.among(stocked(learned), someone, None, now, few)

    assert np.allclose([each.score for each in found.items], sorted((whole[each] for each in few), reverse=True),
                       rtol=1e-3, atol=1e-3)  # fmt: skip


def test_what_is_unknown_gone_or_only_announced_is_dropped_and_the_rest_is_all_there() -> None:
    assortment = Assortment(worlds.ranker(worlds.chain()))
    assortment.take([Entry(name(12), None), Entry("nobody", None)])

    asked = [name(13), "nobody", name(12), "stranger", name(11), name(13)]
    found = demand.among(assortment.stocked, session([name(10)]), None, NOW, asked)

    assert [each.item_id for each in found.items] == [name(11), name(13)], "nearer on the shelf is better"
    assert found.dropped == ["nobody", name(12), "stranger"]


def test_an_announced_item_is_no_candidate_yet() -> None:
    goods = tuple(Item(item_id=name(item)) for item in range(39))
    late = Item(item_id=name(39), created_at=EpochMs(NOW + 1))
    ranker = worlds.ranker(worlds.World(40, worlds.chain().past, (*goods, late)))

    for now, there in ((NOW, False), (NOW + 1, True)):
        found = demand.among(stocked(ranker), session([name(10)]), None, now, [name(39), name(3)])
        assert (name(39) in {each.item_id for each in found.items}) is there
        assert (name(39) in found.dropped) is not there


def test_what_no_source_would_have_brought_is_ranked_all_the_same_and_says_so() -> None:
    ranker = worlds.ranker(worlds.checkerboard(2_000))
    asked = [name(at) for at in range(0, 2_000, 5)]
    found = demand.among(stocked(ranker), session([name(10)]), None, NOW, asked)

    assert sorted(each.item_id for each in found.items) == asked
    assert [each.rank for each in found.items] == list(range(1, len(asked) + 1))
    alone = [each for each in found.items if each.source == ASKED]
    assert {each.reason.code for each in alone} == {"asked"}
    assert alone == list(found.items[-len(alone) :]), "what anybody speaks for comes first"


def test_nothing_that_is_away_is_in_a_list_made_anew_however_much_of_the_pool_that_is() -> None:
    ranker = worlds.ranker(worlds.shelves(600))
    rules, someone = Rules(NEUTRAL, ranker.table), session([name(10)])
    [considered] = ranker.consider([ranker.query(someone.recent, NOW)])
    away = {each.item_id for each in ranker.listed(considered, 200)}

    found = demand.anew(stocked(ranker), someone, None, NOW, rules, away, 30)

    assert len(away) == 200
    assert len(found.items) == 30
    assert not away & {each.item_id for each in found.items}


def test_without_a_bundle_candidates_come_back_as_they_were_given() -> None:
    assortment = Assortment(Ranker.empty())
    assortment.take([Entry("gone", None)])

    found = demand.among(assortment.stocked, session(["a"]), None, NOW, ["b", "gone", "a"])

    assert [each.item_id for each in found.items] == ["b", "a"]
    assert (found.dropped, found.fallback) == (["gone"], EMPTY_CATALOGUE)
    rules = Rules(NEUTRAL, assortment.stocked.ranker.table)
    assert demand.anew(assortment.stocked, session(["a"]), None, NOW, rules, frozenset(), 30).items == ()


def test_without_a_session_the_order_is_anybodys() -> None:
    found = demand.among(stocked(worlds.ranker(worlds.chain())), Session(), None, NOW, [name(3), name(0)])
    assert ([each.item_id for each in found.items], found.fallback) == ([name(0), name(3)], EMPTY_SESSION)


#: What is compiled, and what of it came after the warming.
WARMED = """
import gc
from numba.core.dispatcher import Dispatcher
from serving.ranking import demand
from serving.ranking.similar import Similar
from serving.state import bundles
from tests.kit.worker import BUNDLE

def compiled():
    return {(kernel.__name__, each) for kernel in gc.get_objects() if isinstance(kernel, Dispatcher)
            for each in kernel.signatures}

ranker = bundles.load(BUNDLE)
demand.warm(ranker)
before = compiled()
Similar(ranker).like(ranker.table.id(7), 2**52)
print(len(before) > 10, sorted({name for name, _ in compiled() - before}))
"""


@pytest.mark.slow
def test_who_asks_for_similar_items_first_waits_for_nothing_to_be_compiled() -> None:
    assert python(WARMED) == "True []\n"
