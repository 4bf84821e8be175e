"""Rules of a placement: what they promise of any list, and what each of them does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.item import Item
from schemas.placement import Placement, Shift, Touched
from schemas.session import Action, Session
from serving.ranking.rules import Rules, withheld
from serving.ranking.table import Table

BRANDS, PATHS = ("Ash", "Birch", None), (("Lamps",), ("Lamps", "Desk"), ("Rugs",), ())
GOODS = {
    f"item-{at:02}": Item(item_id=f"item-{at:02}", brand=BRANDS[at % 3], category=PATHS[at % 4]) for at in range(60)
}
TABLE = Table.make((), GOODS)
#: What came from another bundle is not in the table.
NAMES = [*GOODS, "stranger-1", "stranger-2"]

names = st.sampled_from(NAMES)
touched: st.SearchStrategy[Touched] = st.sampled_from(("seen", "bought", "cart", "shown"))
shifts = st.builds(
    lambda places, kind, at: Shift(
        places=places,
        brand=BRANDS[at % 2] if kind == "brand" else None,
        category=PATHS[at % 3] if kind == "category" else None,
        item=NAMES[at] if kind == "item" else None,
    ),
    st.integers(1, 60),
    st.sampled_from(("brand", "category", "item")),
    st.integers(0, 59),
)
caps = st.none() | st.integers(1, 5)
placements = st.builds(
    Placement,
    name=st.just("home"),
    hide=st.frozensets(touched),
    per_brand=caps,
    per_category=caps,
    boost=st.lists(shifts, max_size=3).map(tuple),
    bury=st.lists(shifts, max_size=3).map(tuple),
)
some = st.lists(names, unique=True, max_size=20).map(tuple)
sessions = st.builds(
    lambda seen, bought, cart, shown: Session(
        recent=tuple(Action(each, "view", 1) for each in seen), bought=bought, cart=cart, shown=shown
    ),
    some,
    some,
    some,
    some,
)
lists = st.permutations(NAMES).flatmap(lambda each: st.integers(0, len(each)).map(lambda size: each[:size]))


def shown(placement: Placement, ranked: list[str], away: set[str], limit: int) -> list[str]:
    return [ranked[at] for at in Rules(placement, TABLE).choose(ranked, away, limit)]


@given(placements, lists, sessions, st.sets(names), st.integers(1, 30))
def test_of_any_list_at_most_the_limit_each_once_and_nothing_that_is_away(
    placement: Placement, ranked: list[str], session: Session, gone: set[str], limit: int
) -> None:
    found = shown(placement, ranked, gone | withheld(placement, session), limit)

    assert len(found) <= limit
    assert len(set(found)) == len(found)
    assert set(found) <= set(ranked) - gone
    hidden = {
        "seen": {action.item_id for action in session.recent},
        "bought": set(session.bought),
        "cart": set(session.cart),
        "shown": set(session.shown),
    }
    assert not any(hidden[kind] & set(found) for kind in placement.hide)


@given(placements, lists, st.integers(1, 30))
def test_of_one_brand_or_category_never_more_than_its_cap(placement: Placement, ranked: list[str], limit: int) -> None:
    goods = [GOODS[each] for each in shown(placement, ranked, set(), limit) if each in GOODS]

    brands = [item.brand for item in goods if item.brand]
    paths = [item.category for item in goods if item.category]
    assert all(brands.count(each) <= (placement.per_brand or 60) for each in brands)
    assert all(paths.count(each) <= (placement.per_category or 60) for each in paths)


@given(placements, lists, st.integers(1, 30))
def test_what_is_shifted_alike_keeps_its_order(placement: Placement, ranked: list[str], limit: int) -> None:
    found = shown(placement, ranked, set(), limit)

    def alike(item_id: str) -> tuple[object, ...]:
        item = GOODS.get(item_id)
        named = [shift.item for shift in (*placement.boost, *placement.bury)]
        return (item and item.brand, item and item.category, item_id if item_id in named else None)

    for kind in {alike(each) for each in found}:
        same = [each for each in found if alike(each) == kind]
        assert same == sorted(same, key=ranked.index)


@given(placements, lists, st.sets(names), st.integers(1, 30))
def test_applied_to_what_they_left_rules_without_shifts_change_nothing(
    placement: Placement, ranked: list[str], away: set[str], limit: int
) -> None:
    plain = Placement(name="home", per_brand=placement.per_brand, per_category=placement.per_category)
    once = shown(plain, ranked, away, limit)
    assert shown(plain, once, away, limit) == once


@given(placements, lists, st.integers(1, 29))
def test_a_longer_list_begins_like_a_shorter_one(placement: Placement, ranked: list[str], limit: int) -> None:
    assert shown(placement, ranked, set(), limit + 1)[:limit] == shown(placement, ranked, set(), limit)


def test_without_a_rule_the_list_stands_as_it_was_ranked() -> None:
    assert shown(Placement.default(), NAMES, set(), 30) == NAMES[:30]


def test_boosts_and_buries_move_by_places_and_add_up() -> None:
    ranked = [f"item-{at:02}" for at in (2, 5, 8, 0, 3)]  # the last two are of Ash
    boost = Placement(name="home", boost=(Shift(brand="Ash", places=2),))
    more = Placement(name="home", boost=(Shift(brand="Ash", places=2), Shift(item="item-03", places=3)))
    bury = Placement(name="home", bury=(Shift(item="item-02", places=60),))

    assert shown(boost, ranked, set(), 5) == [f"item-{at:02}" for at in (2, 5, 0, 8, 3)]
    assert shown(more, ranked, set(), 5) == [f"item-{at:02}" for at in (3, 2, 5, 0, 8)]
    assert shown(bury, ranked, set(), 5) == [f"item-{at:02}" for at in (5, 8, 0, 3, 2)]


def test_a_category_means_what_lies_below_it_too() -> None:
    ranked = [f"item-{at:02}" for at in (2, 3, 0, 1)]  # Rugs, none, Lamps, Lamps > Desk
    lamps = Placement(name="home", boost=(Shift(category=("Lamps",), places=10),))
    desk = Placement(name="home", boost=(Shift(category=("Lamps", "Desk"), places=10),))

    assert shown(lamps, ranked, set(), 4) == [f"item-{at:02}" for at in (0, 1, 2, 3)]
    assert shown(desk, ranked, set(), 4) == [f"item-{at:02}" for at in (1, 2, 3, 0)]
