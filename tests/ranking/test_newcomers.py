"""What came after training: a candidate, scored by its words alone, and gone when it is. On the sample's bundle."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from msgspec import structs

from nextclick.sample import BUNDLE, CATALOGUE
from schemas.item import Entry, Item
from schemas.recommendation import STORED
from schemas.session import Session
from schemas.wire import EpochMs
from serving.ranking import words
from serving.ranking.assortment import Assortment
from serving.ranking.growth import Growth
from serving.ranking.query import Query
from serving.ranking.ranker import Ranked, Ranker
from serving.ranking.scorer import Scorer
from serving.ranking.sources.newcomers import NEWCOMERS_MAX, Newcomers
from serving.state import bundles
from tests import worlds
from tests.worlds import NOW, name, session
from tests.worlds.signpost import Signpost
from training.catalogue import Catalogue


@cache
def bundle() -> Ranker:
    return bundles.load(BUNDLE)


@cache
def goods() -> dict[str, Item]:
    return {item.item_id: item for item in Catalogue(CATALOGUE)}


def said(*items: Item) -> list[Entry]:
    return [Entry(item.item_id, item) for item in items]


def twin(item_id: str, number: int = 0, **changes: object) -> Item:
    """A new item of which the catalogue says what it says of a known one."""
    return structs.replace(goods()[item_id], item_id=f"new-{number:04}-{item_id}", **changes)


def ask(assortment: Assortment, *clicked: str, now: int = NOW) -> Ranked:
    [answer] = assortment.stocked.rank([session(clicked)], now)
    return answer


def shown(assortment: Assortment, *clicked: str, now: int = NOW) -> list[str]:
    return [item.item_id for item in ask(assortment, *clicked, now=now).items]


def some() -> list[str]:
    return list(bundle().table.ids)[5:1_000:50]


def stocked(*items: Item) -> Assortment:
    assortment = Assortment(bundle())
    assortment.take(said(*items))
    assortment.grow()
    return assortment


def test_a_catalogue_that_says_what_training_knew_changes_nothing() -> None:
    # given
    assortment = Assortment(bundle())
    known = [item for item in goods().values() if bundle().table.find([item.item_id])[0] >= 0]

    # when
    assortment.take(said(*known))

    # then
    assert len(known) > 1_000
    assert not assortment.outgrown
    asked = [session([item_id]) for item_id in some()]
    assert assortment.stocked.rank(asked, NOW) == bundle().rank(asked, NOW)


def test_a_ranker_that_grew_says_what_it_said_where_nobody_new_is_in_the_pool() -> None:
    # given
    new = [twin(item_id) for item_id in some()]
    assortment = stocked(*new)
    asked = [session([item_id, other]) for item_id, other in zip(some(), some()[::-1], strict=True)]
    assert assortment.stocked.rank(asked, NOW) != bundle().rank(asked, NOW)

    # when
    assortment.take([Entry(item.item_id, None) for item in new])

    # then
    assert assortment.stocked.rank(asked, NOW) == bundle().rank(asked, NOW)


def test_a_new_item_is_a_candidate_of_those_who_look_at_its_like() -> None:
    # given
    new = {item_id: twin(item_id) for item_id in some()}
    assortment = stocked(*new.values())
    assert assortment.newcomers == len(new)

    # when
    pools = {}
    for item_id in new:
        query = assortment.stocked.ranker.query(session([item_id]).recent, NOW)
        [considered] = assortment.stocked.ranker.consider([query])
        pools[item_id] = set(assortment.stocked.ranker.table.named(considered.pool.ids.tolist()))

    # then
    assert all(item.item_id in pools[item_id] for item_id, item in new.items())
    assert any(item.item_id in shown(assortment, item_id) for item_id, item in new.items())


def test_who_brought_a_new_item_and_why_is_said() -> None:
    assortment = stocked(*(twin(item_id) for item_id in some()))
    brought = [
        (item, item_id)
        for item_id in some()
        for item in ask(assortment, item_id).items
        if item.item_id.startswith("new-")
    ]
    assert brought
    for item, clicked in brought:
        assert (item.source, item.reason.code) == ("newcomers", "alike")
        assert item.reason.params["item_id"] == clicked


def test_a_session_goes_on_from_a_new_item() -> None:
    # given
    item_id = some()[3]
    new = twin(item_id)
    assortment = stocked(new)

    # when
    unheard, heard = bundle().rank([session([new.item_id])], NOW)[0], ask(assortment, new.item_id)

    # then
    assert (unheard.fallback, unheard.vector) == ("unknown_items", None)
    assert heard.fallback is None
    assert heard.vector is not None
    assert len(heard.items) == STORED
    assert len(shown(assortment, some()[0], new.item_id, some()[1])) == STORED


def test_a_new_item_that_is_not_to_be_had_is_in_no_list_until_it_is_back() -> None:
    # given
    item_id = next(each for each in some() if twin(each).item_id in shown(stocked(twin(each)), each))
    new, assortment = twin(item_id), stocked(twin(item_id))

    # then
    assert assortment.take(said(structs.replace(new, available=False))) == [new.item_id]
    assert new.item_id not in shown(assortment, item_id)
    assortment.take(said(new))
    assert new.item_id in shown(assortment, item_id)
    assert assortment.take([Entry(new.item_id, None)]) == [new.item_id]
    assert new.item_id not in shown(assortment, item_id)
    assortment.grow()
    assert assortment.newcomers == 0


def test_a_new_item_that_is_announced_is_a_candidate_from_its_creation_on() -> None:
    item_id = next(each for each in some() if twin(each).item_id in shown(stocked(twin(each)), each))
    assortment = stocked(twin(item_id, created_at=EpochMs(NOW + 1)))
    assert twin(item_id).item_id not in shown(assortment, item_id)
    assert twin(item_id).item_id in shown(assortment, item_id, now=NOW + 1)


def test_what_the_catalogue_changes_is_in_the_next_reason() -> None:
    # given
    item_id = some()[0]
    assortment = Assortment(bundle())

    # when
    assortment.take(said(structs.replace(goods()[item_id], title="A thing renamed")))
    assert assortment.outgrown
    assortment.grow()

    # then
    titles = {item.reason.params.get("title") for item in ask(assortment, item_id).items}
    assert "A thing renamed" in titles
    assert assortment.newcomers == 0


def test_the_newest_are_kept_when_too_many_come() -> None:
    # given
    first, second = some()[:2]
    crowd = [twin(first, number) for number in range(NEWCOMERS_MAX + 5)]

    # when
    assortment = stocked(twin(second), *crowd)

    # then
    assert assortment.newcomers == NEWCOMERS_MAX
    known = set(assortment.stocked.ranker.table.ids)
    assert {item.item_id for item in crowd[5:]} <= known
    assert not {twin(second).item_id, *(item.item_id for item in crowd[:5])} & known


def test_equal_scores_stand_in_the_order_of_ids_also_where_some_came_later() -> None:
    # given: twins of one item, some before and some behind all others by their ids
    item_id = some()[3]
    twins = [structs.replace(goods()[item_id], item_id=each) for each in ("!b", "zz", "!a", "~")]
    ranked = ask(stocked(*twins), item_id).items

    # then
    order = [(-item.score, item.item_id) for item in ranked]
    assert order == sorted(order)


def test_who_came_later_stands_among_his_equals_by_his_id() -> None:
    # given: a shop in which all scores are one, and a newcomer whose id is in the middle of it
    world, late = worlds.chain(), Item(item_id=f"{name(10)}-b")
    base = worlds.ranker(world)
    table = Growth(base.table).table([late])
    known = np.eye(world.items, dtype=np.float16)
    ranker = Ranker(
        table, base.sources, base.counts.grown(1), Signpost(world.items + 1, gain=0.0),
        structs.replace(base.options, order="learned"), "", "", Newcomers(known, known[10:11]),
    )  # fmt: skip

    # when
    [answer] = ranker.rank([session([name(10)])], NOW)

    # then
    ids = [item.item_id for item in answer.items]
    assert late.item_id in ids
    assert ids == sorted(ids)


def test_nobody_is_brought_to_a_session_that_looked_at_him() -> None:
    vectors = np.eye(4, dtype=np.float16)
    newcomers = Newcomers(vectors, np.array([vectors[1], vectors[1] + vectors[2]], dtype=np.float16))
    looked = Query(np.array([1, 4], dtype=np.int32), np.zeros(2, dtype=np.uint8), np.zeros(2, dtype=np.int64), NOW)

    found = newcomers.candidates(looked, 200)

    assert (found.ids.tolist(), found.because.tolist()) == ([5], [4])


def test_what_is_hidden_stays_so_when_the_ranker_grows() -> None:
    # given
    item_id = some()[0]
    best = shown(Assortment(bundle()), item_id)[0]
    assortment = Assortment(bundle())

    # when
    assortment.take([Entry(best, None), *said(twin(item_id))])
    assortment.grow()

    # then
    assert assortment.newcomers == assortment.hidden == 1
    assert best not in shown(assortment, item_id)


def test_a_new_items_vector_is_that_of_its_words() -> None:
    # given
    model = bundle().model
    assert isinstance(model, Scorer)
    item = twin(some()[0])

    # when
    vector = words.told(item, model.words)
    grown = stocked(item).stocked.ranker

    # then
    assert vector is not None
    assert np.linalg.norm(vector.astype(np.float32)) == pytest.approx(1, abs=1e-3)
    assert grown.newcomers is not None
    rows = grown.table.find([item.item_id, some()[0]])
    assert isinstance(grown.model, Scorer)
    taken = grown.model.rows.take(rows[None], 0)[0]
    assert taken.tolist() == [vector.tolist(), model.vectors[bundle().table.find([some()[0]])[0]].tolist()]


@pytest.mark.parametrize("item", [Item(item_id="bare"), Item(item_id="x", title="?", price="0")])
def test_an_item_that_no_word_tells_waits_for_training(item: Item) -> None:
    assortment = stocked(item)
    assert assortment.newcomers == 0
    assert item.item_id not in shown(assortment, some()[0])


def test_a_bundle_without_a_model_has_no_newcomers_but_hears_what_changes() -> None:
    # given
    assortment = Assortment(worlds.ranker(worlds.chain()))

    # when
    assortment.take(said(Item(item_id="new", title="Thing"), Item(item_id=name(10), title="Renamed")))
    assortment.grow()

    # then
    [answer] = assortment.stocked.rank([session([name(10)])], NOW)
    assert {item.reason.params.get("title") for item in answer.items} >= {"Renamed"}
    assert "new" not in {item.item_id for item in answer.items}


def test_an_empty_session_has_its_list_too() -> None:
    [answer] = stocked(twin(some()[0])).stocked.rank([Session()], NOW)
    assert len(answer.items) == STORED
