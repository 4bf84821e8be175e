"""The ranker: what every answer keeps to, and what it says in worlds whose answers are known."""

from __future__ import annotations

import math
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.recommendation import STORED
from serving.ranking.pool import POOL
from serving.ranking.ranker import Ranked, Ranker
from tests import worlds
from tests.worlds import NOW, World, name, session

SIZES = (0, 1, 2, 59, 60, 61, 200, 201, 500)


@cache
def shop(items: int, repeats: bool = True) -> Ranker:
    """A shop in which everybody looks at three things in a row."""
    past = tuple((at, (at + 1) % items, (at + 2) % items) for at in range(0, items, 2))
    return worlds.ranker(World(items, past), repeats=repeats)


@given(
    items=st.sampled_from(SIZES),
    clicked=st.lists(st.integers(0, 700), max_size=50),
    hidden=st.one_of(st.just(range(500)), st.lists(st.integers(0, 700), max_size=300)),
    repeats=st.booleans(),
)
def test_any_session_in_any_shop_gets_a_list(
    items: int, clicked: list[int], hidden: list[int] | range, repeats: bool
) -> None:
    # when
    away = {name(item) for item in hidden}
    [answer] = shop(items, repeats).rank([session([name(item) for item in clicked])], NOW, away)

    # then
    ids = [item.item_id for item in answer.items]
    assert len(ids) == len(set(ids)) <= STORED
    assert answer.pool_size <= POOL
    assert set(ids) <= {name(item) for item in range(items)} - away
    assert repeats or not set(ids) & {name(item) for item in clicked}
    assert [item.rank for item in answer.items] == list(range(1, len(ids) + 1))
    assert all(math.isfinite(item.score) for item in answer.items)
    assert all(item.reason.text for item in answer.items)
    order = [(-item.score, item.item_id) for item in answer.items]
    assert order == sorted(order)


@pytest.mark.parametrize("items", SIZES)
def test_a_list_is_as_full_as_the_shop_allows(items: int) -> None:
    [answer] = shop(items).rank([session([name(0)])], NOW)
    assert len(answer.items) == min(items, STORED)
    assert answer.pool_size == min(items, POOL)


def test_a_batch_answers_as_each_session_alone() -> None:
    # given
    ranker = shop(200)
    sessions = [session([name(item) for item in range(at, at + at % 5)]) for at in range(40)]

    # when
    together = ranker.rank(sessions, NOW)

    # then
    assert together == [ranker.rank([one], NOW)[0] for one in sessions]
    assert together == ranker.rank(sessions, NOW)
    assert ranker.rank([], NOW) == []


@pytest.mark.parametrize(
    ("items", "clicked", "fallback"),
    [
        (0, ["item-0001"], "empty_catalogue"),
        (100, [], "empty_session"),
        (100, ["nobody", "knows"], "unknown_items"),
        (100, ["nobody", "item-0001"], None),
    ],
)
def test_an_answer_that_is_not_the_best_says_why(items: int, clicked: list[str], fallback: str | None) -> None:
    [answer] = shop(items).rank([session(clicked)], NOW)
    assert answer.fallback == fallback
    assert len(answer.items) == min(items, STORED)
    assert fallback is None or {item.reason.code for item in answer.items} <= {"popular"}


def test_the_next_on_the_shelf_is_recommended_with_its_reason() -> None:
    # given
    ranker = worlds.ranker(worlds.chain(), repeats=False, relation="bought")

    # when
    [answer] = ranker.rank([session([name(10)])], NOW)

    # then
    first = answer.items[0]
    assert (first.item_id, first.source) == (name(11), "covisitation")
    assert first.reason.code == "bought_together"
    assert first.reason.params == {"item_id": name(10), "title": "Thing 10"}
    assert first.reason.text == "Bought together with Thing 10"


def test_co_visitation_finds_what_popularity_does_not() -> None:
    # given
    world = worlds.chain()
    ranker = worlds.ranker(world, repeats=False)
    popular = ranker.rank([session([])], NOW)[0]

    # when
    hits = [_hit(ranker.rank([session([name(item)])], NOW)[0], name(item + 1)) for item in range(5, 35)]

    # then
    assert sum(hits) == 30
    assert sum(_hit(popular, name(item + 1)) for item in range(5, 35)) < 10


def _hit(answer: Ranked, item: str) -> bool:
    return item in [each.item_id for each in answer.items[:3]]


def test_an_item_that_was_looked_at_says_so() -> None:
    [answer] = shop(100).rank([session([name(70)])], NOW)
    [again] = [item for item in answer.items if item.item_id == name(70)]
    assert (again.source, again.reason.code, again.reason.text) == (
        "session_items",
        "seen_in_session",
        "You looked at this",
    )


def test_hiding_the_best_brings_up_the_next() -> None:
    # given
    ranker = worlds.ranker(worlds.checkerboard(), repeats=False)
    before = [item.item_id for item in ranker.rank([session([name(4)])], NOW)[0].items]

    # when
    after = [item.item_id for item in ranker.rank([session([name(4)])], NOW, {before[0]})[0].items]

    # then
    assert after[0] == before[1]
    assert before[0] not in after


def test_a_title_is_told_and_an_unknown_item_is_called_by_its_id() -> None:
    ranker = shop(60)
    assert ranker.title(name(7)) == "Thing 7"
    assert ranker.title("nobody") == "nobody"
