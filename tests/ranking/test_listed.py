"""A stored list as it may be shown: the very bytes, or without what is gone and as long as before."""

from __future__ import annotations

from schemas import recommendation
from schemas.item import Entry, Item
from schemas.placement import Placement, Shift
from schemas.recommendation import PUBLISHED, Model, Recommendation, TriggeredBy
from schemas.recommendation import Item as ScoredItem
from serving.ranking import listed, reasons
from serving.ranking.assortment import Assortment
from serving.ranking.ranker import Ranked, Ranker
from serving.ranking.rules import Rules
from tests import worlds
from tests.worlds import NOW, name, session


def stored(ranker: Ranker) -> tuple[Ranked, bytes, bytes]:
    """What was ranked, and what the worker leaves of it."""
    [ranked] = ranker.rank([session([name(10), name(30)])], NOW)
    body = Recommendation(
        recommendation_id="r",
        session_id="s",
        session_started=NOW,
        session_version=2,
        generated_at=NOW,
        trigger=TriggeredBy("e", NOW, NOW, "clickstream", "0badcafe", 0, 1),
        model=Model("m", "c"),
        items=ranked.items[:PUBLISHED],
        pool_size=ranked.pool_size,
        revision=3,
    )
    return ranked, recommendation.encode(body), recommendation.spares(ranked.items)


def test_as_long_as_nothing_in_it_is_gone_the_bytes_are_untouched() -> None:
    assortment = Assortment(worlds.ranker(worlds.shelves(200)))
    ranked, body, more = stored(assortment.stocked.ranker)
    absent = [Entry(ranked.items[PUBLISHED].item_id, None), Entry("stranger", None)]
    assert listed.shown(body, more, assortment.stocked) is body
    assortment.take(absent)
    assert listed.shown(body, more, assortment.stocked) is body, "a spare one is not shown anyhow"


def test_what_is_gone_is_left_out_and_the_next_move_up_with_their_reasons() -> None:
    assortment = Assortment(worlds.ranker(worlds.shelves(200)))
    ranked, body, more = stored(assortment.stocked.ranker)
    gone = [ranked.items[at].item_id for at in (0, 7, PUBLISHED)]
    assortment.take([Entry(each, None) for each in gone])

    found = recommendation.decode(listed.shown(body, more, assortment.stocked))

    left = [item for item in ranked.items if item.item_id not in gone][:PUBLISHED]
    assert [(each.item_id, each.score, each.source, each.reason) for each in found.items] == [
        (each.item_id, each.score, each.source, each.reason) for each in left
    ]
    assert [each.rank for each in found.items] == list(range(1, PUBLISHED + 1))
    assert (found.revision, found.recommendation_id, found.placement) == (3, "r", "default")


def test_what_another_bundle_ranked_and_ours_does_not_know_is_left_out_when_it_is_gone() -> None:
    assortment = Assortment(worlds.ranker(worlds.chain(6)))
    _, body, more = stored(worlds.ranker(worlds.shelves(200)))
    foreign = listed.named(body)[1]
    assert assortment.stocked.ranker.table.find([foreign]) == -1
    assortment.take([Entry(foreign, None)])
    assert foreign not in listed.named(listed.shown(body, more, assortment.stocked))


def test_every_reason_is_put_into_words_again_as_it_was() -> None:
    ranker = worlds.ranker(worlds.shelves(200))
    _, body, _ = stored(ranker)
    told = (
        reasons.SEEN_IN_SESSION,
        reasons.together("bought", name(3), "Thing 3"),
        reasons.together("viewed", name(3), "Thing 3"),
        reasons.alike(name(3), "Thing 3"),
        reasons.popular_in(("Rugs",)),
        reasons.POPULAR,
    )
    ranked = [ScoredItem(name(41), rank, 0.5, "popular", told[rank % len(told)]) for rank in range(1, 61)]

    whole = listed.whole(body, recommendation.spares(ranked), ranker)

    assert whole[PUBLISHED:] == ranked[PUBLISHED:]


def test_a_placement_draws_on_all_that_was_ranked() -> None:
    assortment = Assortment(worlds.ranker(worlds.shelves(200)))
    stocked = assortment.stocked
    ranked, body, more = stored(stocked.ranker)
    birch = Placement(name="home", boost=(Shift(brand="Birch", places=60),), per_brand=20)
    rules = Rules(birch, stocked.ranker.table)

    items = listed.placed(body, more, stocked, rules, {ranked.items[0].item_id}, PUBLISHED)

    brands = ["Ash" if int(each.item_id.removeprefix("item-")) < 100 else "Birch" for each in items]
    assert brands == sorted(brands, reverse=True)
    assert max(brands.count("Ash"), brands.count("Birch")) <= 20
    assert ranked.items[0].item_id not in {each.item_id for each in items}


def test_an_item_that_is_back_is_shown_where_it_was() -> None:
    assortment = Assortment(worlds.ranker(worlds.shelves(200)))
    ranked, body, more = stored(assortment.stocked.ranker)
    assortment.take([Entry(ranked.items[0].item_id, None)])
    assert listed.shown(body, more, assortment.stocked) != body
    assortment.take([Entry(ranked.items[0].item_id, Item(item_id=ranked.items[0].item_id))])
    assert listed.shown(body, more, assortment.stocked) is body
