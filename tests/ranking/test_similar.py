"""Items like an item: what every list keeps to, what a session changes, and worlds whose right answers are known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from nextclick.sample import BUNDLE
from schemas.item import Entry, Item
from schemas.recommendation import STORED
from schemas.session import Action, Session
from schemas.wire import EpochMs
from serving.ranking.assortment import Assortment
from serving.ranking.ranker import Ranker
from serving.ranking.similar import NEW_MS, UNKNOWN_ITEM, Alike, Similar
from serving.state import bundles
from tests import worlds
from tests.worlds import NOW, World, hiding, name, session
from tests.worlds.signpost import Signpost, led

SHARES = (0.0, 0.25, 1.0)


@cache
def bundle() -> Ranker:
    return bundles.load(BUNDLE)


@cache
def sample() -> Similar:
    return Similar(bundle())


@cache
def shelves(led_by_model: bool = True) -> Similar:
    """Lamps and rugs of two brands; with a model that points to the item after the one just touched."""
    world = worlds.shelves()
    ranker = worlds.ranker(world)
    return Similar(led(ranker, Signpost(world.items)) if led_by_model else ranker)


def ids(answer: Alike) -> list[str]:
    return [item.item_id for item in answer.items]


def some() -> list[str]:
    return list(bundle().table.ids)[5:1_000:50]


@given(
    anchor=st.integers(0, 39),
    seen=st.lists(st.integers(0, 45), max_size=30),
    cart=st.lists(st.integers(0, 45), max_size=5),
    bought=st.lists(st.integers(0, 45), max_size=5),
    hidden=st.lists(st.integers(0, 39), max_size=40),
    exclude=st.lists(st.integers(0, 45), max_size=10),
    share=st.sampled_from(SHARES),
    with_model=st.booleans(),
)
def test_no_list_has_the_anchor_or_what_the_session_knows_or_what_is_not_to_be_had(
    anchor: int,
    seen: list[int],
    cart: list[int],
    bought: list[int],
    hidden: list[int],
    exclude: list[int],
    share: float,
    with_model: bool,
) -> None:
    # given
    similar = shelves(with_model)
    shopper = Session(
        recent=tuple(Action(name(item), "view", NOW) for item in seen),
        cart=tuple(map(name, cart)),
        bought=tuple(map(name, bought)),
    )

    # when
    away = {name(item) for item in hidden}
    without = {name(item) for item in exclude}
    answer = similar.like(name(anchor), NOW, shopper, None, share, hiding(similar.ranker, away), without)

    # then
    found = ids(answer)
    assert len(found) == len(set(found)) <= STORED
    assert set(found).isdisjoint({name(item) for item in (anchor, *seen, *cart, *bought)} | away | without)
    order = [(-item.score, item.item_id) for item in answer.items]
    assert order == sorted(order)
    assert [item.rank for item in answer.items] == list(range(1, len(found) + 1))
    assert all(item.reason.params["item_id"] == name(anchor) for item in answer.items)


def test_an_item_that_nobody_knows_has_no_list_and_says_so() -> None:
    assert sample().like("nobody-knows-it", NOW) == Alike((), 0, fallback=UNKNOWN_ITEM)


def test_without_a_say_the_session_changes_nothing_but_what_it_knows() -> None:
    for item_id in some():
        plain = sample().like(item_id, NOW)
        shopper = session([item_id])
        assert sample().like(item_id, NOW, shopper, None, 0.0) == plain
        assert sample().like(item_id, NOW, None, None, 1.0) == plain
        assert len(plain.items) == STORED
        assert not plain.personal


def test_the_stored_vector_is_what_is_used() -> None:
    # given
    changed = 0
    for own, other in zip(some(), some()[::-1], strict=True):
        shopper = session([own])
        [theirs] = bundle().rank([session([other])], NOW)
        [stored] = bundle().rank([shopper], NOW)

        # when
        encoded = sample().like(own, NOW, shopper, None, 0.5)
        recalled = sample().like(own, NOW, shopper, stored.vector, 0.5)
        foreign = sample().like(own, NOW, shopper, theirs.vector, 0.5)
        misshapen = sample().like(own, NOW, shopper, b"\0" * 6, 0.5)

        # then
        assert recalled.personal
        assert set(ids(recalled)) == set(ids(encoded))
        assert misshapen == encoded
        changed += ids(foreign) != ids(recalled)
    assert changed > len(some()) * 0.9


def test_a_session_without_a_known_item_has_the_plain_list() -> None:
    item_id = some()[0]
    assert sample().like(item_id, NOW, session(["nobody-knows-it"]), None, 1.0) == sample().like(item_id, NOW)


def test_the_next_door_of_a_session_comes_first_where_it_alone_decides() -> None:
    # given: the model points from 10 to 11
    answer = shelves().like(name(20), NOW, session([name(10)]), None, 1.0)

    # then
    assert answer.items[0].item_id == name(11)
    assert answer.personal


def test_what_the_catalogue_calls_alike_comes_first_where_shoppers_touch_anything() -> None:
    # given: lamps are even, the lower half is of Ash
    answer = shelves(led_by_model=False).like(name(10), NOW)

    # then
    first = [int(item.removeprefix("item-")) for item in ids(answer)[:9]]
    assert len([item for item in first if item % 2 == 0]) >= 7


def test_company_comes_first_where_the_catalogue_says_nothing() -> None:
    # given: nobody mixes even and odd
    similar = Similar(worlds.ranker(worlds.checkerboard()))

    # then
    answer = similar.like(name(6), NOW)
    assert {int(item.removeprefix("item-")) % 2 for item in ids(answer)[:9]} == {0}
    assert {item.reason.code for item in answer.items[:9]} <= {"viewed_together", "alike"}


def test_titles_alone_find_what_is_alike() -> None:
    # given
    goods = tuple(
        Item(item_id=name(item), title=f"{'Red' if item % 2 else 'Blue'} {'kettle' if item < 10 else 'carpet'} {item}")
        for item in range(20)
    )
    similar = Similar(worlds.ranker(World(20, ((0, 19), (1, 18)) * 5, goods)))

    # then
    assert set(ids(similar.like(name(4), NOW))[:4]) == {name(item) for item in (0, 2, 6, 8)}


def test_an_announced_item_is_in_no_list_before_its_time() -> None:
    # given
    world = worlds.shelves()
    goods = tuple(structs.replace(item, created_at=EpochMs(NOW + 1)) for item in world.goods[:20]) + world.goods[20:]
    similar = Similar(worlds.ranker(World(world.items, world.past, goods)))

    # then
    announced = {name(item) for item in range(20)}
    assert announced.isdisjoint(ids(similar.like(name(30), NOW)))
    assert not announced.isdisjoint(ids(similar.like(name(30), NOW + 1)))


def twin(item_id: str, **changes: object) -> Item:
    """A new item of which the catalogue says what the table does of a known one."""
    table = bundle().table
    [index] = table.find([item_id]).tolist()
    category, brand = int(table.categories[index]), int(table.brands[index])
    return structs.replace(
        Item(
            item_id=f"new-{item_id}",
            title=table.title(index),
            category=table.category(category) if category >= 0 else (),
            brand=table.brand(brand) if brand >= 0 else None,
        ),
        **changes,
    )


def test_an_item_that_came_today_is_like_its_like_and_has_its_own_list() -> None:
    # given
    assortment = Assortment(bundle())
    new = {item_id: twin(item_id) for item_id in some()}
    assortment.take([Entry(item.item_id, item) for item in new.values()])
    before = sample()

    # when
    stocked = assortment.grow()
    similar = before.over(stocked.ranker)

    # then
    for item_id, item in new.items():
        answer = similar.like(item_id, NOW, hidden=stocked.hidden)
        assert item.item_id in ids(answer)
        [found] = [each for each in answer.items if each.item_id == item.item_id]
        assert (found.source, found.reason.code) == ("newcomers", "alike")
        own = similar.like(item.item_id, NOW, hidden=stocked.hidden)
        assert len(own.items) == STORED
        assert len(set(ids(own)) & set(ids(answer))) > STORED / 3
    assert before.like(some()[0], NOW) == sample().like(some()[0], NOW)


def test_a_list_is_remembered_and_what_becomes_hidden_leaves_it_at_once() -> None:
    # given
    item_id = some()[1]
    first = ids(sample().like(item_id, NOW))

    # when
    hidden = hiding(bundle(), first[:5])
    after = ids(sample().like(item_id, NOW, hidden=hidden))

    # then
    assert set(first[:5]).isdisjoint(after)
    assert len(after) == STORED
    assert ids(sample().like(item_id, NOW, hidden=np.zeros_like(hidden))) == first


@pytest.mark.parametrize("items", [0, 1, 2])
def test_a_shop_of_next_to_nothing_has_lists_of_what_is_there(items: int) -> None:
    similar = Similar(worlds.ranker(World(items, tuple((at, (at + 1) % items) for at in range(items)) * 3)))
    answer = similar.like(name(0), NOW)
    assert set(ids(answer)) <= {name(item) for item in range(1, items)}
    assert (answer.fallback == UNKNOWN_ITEM) == (items == 0)


def test_what_is_new_has_its_place_in_the_pool() -> None:
    """Of a shelf of many, those created lately come in although nobody has touched them."""
    # given
    items = 600
    goods = tuple(
        Item(
            item_id=name(item),
            title=f"Lamp {item}",
            category=("Lamps",),
            created_at=EpochMs(NOW - (0 if item % 100 == 99 else 2 * NEW_MS)),
        )
        for item in range(items)
    )
    past = tuple((at, (at + 1) % items) for at in range(items) if at % 100 < 98)
    similar = Similar(worlds.ranker(World(items, past * 2, goods)))

    # when
    reserve = similar._reserve(similar.ranker.table.find([name(5)])[0])
    shown = np.ones(len(reserve.ids), dtype=np.bool_)
    pool = set(reserve.ids[similar._pool(reserve, shown, NOW)].tolist())

    # then
    fresh = {item for item in range(items) if item % 100 == 99}
    assert fresh & set(reserve.ids.tolist()) <= pool
    assert len(pool) <= 200
