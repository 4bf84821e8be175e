"""The ranker: what every answer keeps to, and what it says in worlds whose answers are known."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.item import Item
from schemas.recommendation import STORED
from schemas.session import Session
from schemas.wire import EpochMs
from serving.ranking.counts import Counts
from serving.ranking.past import Past
from serving.ranking.pool import POOL
from serving.ranking.ranker import NOT_FINITE, RECIPROCAL, Ranked, Ranker
from serving.ranking.sources import ALL
from serving.ranking.table import Table
from tests import worlds
from tests.worlds import NOW, World, hiding, name, session
from tests.worlds.signpost import Signpost, led

SIZES = (0, 1, 2, 59, 60, 61, 200, 201, 500)


@cache
def shop(items: int, drop_last_item: bool = False, led_by: float | None = None) -> Ranker:
    """A shop in which everybody looks at three things in a row; with a model of this gain, if any."""
    past = tuple((at, (at + 1) % items, (at + 2) % items) for at in range(0, items, 2))
    ranker = worlds.ranker(World(items, past), drop_last_item=drop_last_item)
    return ranker if led_by is None else led(ranker, Signpost(items, led_by))


@given(
    items=st.sampled_from(SIZES),
    clicked=st.lists(st.integers(0, 700), max_size=50),
    hidden=st.one_of(st.just(range(500)), st.lists(st.integers(0, 700), max_size=300)),
    drop_last_item=st.booleans(),
    led_by=st.sampled_from([None, 1.0, math.nan]),
)
def test_any_session_in_any_shop_gets_a_list(
    items: int, clicked: list[int], hidden: list[int] | range, drop_last_item: bool, led_by: float | None
) -> None:
    # when
    away = {name(item) for item in hidden}
    ranker = shop(items, drop_last_item, led_by)
    [answer] = ranker.rank([session([name(item) for item in clicked])], NOW, hiding(ranker, away))

    # then
    ids = [item.item_id for item in answer.items]
    assert len(ids) == len(set(ids)) <= STORED
    assert answer.pool_size <= POOL
    assert set(ids) <= {name(item) for item in range(items)} - away
    known = [name(item) for item in clicked if item < items]
    assert not (drop_last_item and known and known[-1] in ids)
    assert [item.rank for item in answer.items] == list(range(1, len(ids) + 1))
    assert all(math.isfinite(item.score) for item in answer.items)
    assert all(item.reason.text for item in answer.items)
    assert {item.reason.params["item_id"] for item in answer.items if "item_id" in item.reason.params} <= set(known)
    order = [(-item.score, item.item_id) for item in answer.items]
    assert order == sorted(order)


def test_an_item_is_a_candidate_from_its_creation_on() -> None:
    # given
    world = worlds.chain()
    announced = NOW + 1
    goods = tuple(
        Item(item_id=name(item), created_at=EpochMs(announced) if item % 2 else None) for item in range(world.items)
    )
    ranker = worlds.ranker(World(world.items, world.past, goods))

    # when
    [before], [after] = (ranker.rank([session([name(10)])], now) for now in (NOW, announced))

    # then
    assert {item.item_id for item in before.items} == {name(item) for item in range(0, world.items, 2)}
    assert len(after.items) == world.items


@pytest.mark.parametrize("items", SIZES)
def test_a_list_is_as_full_as_the_shop_allows(items: int) -> None:
    [answer] = shop(items).rank([session([name(0)])], NOW)
    assert len(answer.items) == min(items, STORED)
    assert answer.pool_size == min(items, POOL)


@pytest.mark.parametrize("led_by", [None, 1.0], ids=["counted", "led"])
def test_a_batch_answers_as_each_session_alone(led_by: float | None) -> None:
    # given
    ranker = shop(200, led_by=led_by)
    sessions = [session([name(item) for item in range(at, at + at % 5)]) for at in range(40)]

    # when
    together = ranker.rank(sessions, NOW)

    # then
    assert together == [ranker.rank([one], NOW)[0] for one in sessions]
    assert together == ranker.rank(sessions, NOW)
    assert ranker.rank([], NOW) == []


@pytest.mark.parametrize(
    ("items", "clicked", "led_by", "fallback"),
    [
        (0, ["item-0001"], 1.0, "empty_catalogue"),
        (100, [], 1.0, "empty_session"),
        (100, ["nobody", "knows"], 1.0, "unknown_items"),
        (100, ["nobody", "item-0001"], math.nan, "not_finite"),
        (100, [], math.nan, "empty_session"),
        (100, ["nobody", "item-0001"], None, "reciprocal_rank"),
        (100, ["nobody", "item-0001"], 1.0, None),
    ],
)
def test_an_answer_that_is_not_the_best_says_why(
    items: int, clicked: list[str], led_by: float | None, fallback: str | None
) -> None:
    [answer] = shop(items, led_by=led_by).rank([session(clicked)], NOW)
    assert answer.fallback == fallback
    assert len(answer.items) == min(items, STORED)
    if fallback in ("empty_session", "unknown_items"):
        assert {item.reason.code for item in answer.items} == {"popular"}


def test_the_next_on_the_shelf_is_recommended_with_its_reason() -> None:
    # given
    ranker = led(worlds.ranker(worlds.chain(), drop_last_item=True, relation="bought"), Signpost(40))

    # when
    [answer] = ranker.rank([session([name(10)])], NOW)

    # then: of all sources that brought it, the loudest says why
    first = answer.items[0]
    assert (first.item_id, first.source) == (name(11), "session_knn")
    assert first.reason.code == "bought_together"
    assert first.reason.params == {"item_id": name(10), "title": "Thing 10"}
    assert first.reason.text == "Bought together with Thing 10"


def test_what_stood_together_is_found_where_popularity_alone_fails() -> None:
    # given
    world = worlds.chain()
    ranker = worlds.ranker(world, drop_last_item=True)
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


def test_hiding_nothing_changes_nothing() -> None:
    ranker = shop(500, led_by=1.0)
    sessions = [session([name(item), name(3 * item)]) for item in range(0, 150, 7)]
    assert ranker.rank(sessions, NOW, hiding(ranker, [])) == ranker.rank(sessions, NOW)


def test_hiding_the_best_brings_up_the_next() -> None:
    # given
    ranker = worlds.ranker(worlds.checkerboard(), drop_last_item=True)
    before = [item.item_id for item in ranker.rank([session([name(4)])], NOW)[0].items]

    # when
    [answer] = ranker.rank([session([name(4)])], NOW, hiding(ranker, before[:1]))
    after = [item.item_id for item in answer.items]

    # then
    assert after[0] == before[1]
    assert before[0] not in after


def test_a_title_is_told_and_an_unknown_item_is_called_by_its_id() -> None:
    ranker = shop(60)
    assert ranker.title(name(7)) == "Thing 7"
    assert ranker.title("nobody") == "nobody"


def test_popularity_names_the_shelf_that_it_is_about() -> None:
    # given
    lamps = {name(item): Item(item_id=name(item), category=("Home", "Lamps")) for item in range(3)}
    past = Past(World(3, ((0, 1, 2),)).sessions, Table.make((), lamps))
    plain = worlds.ranker(World(3, ()))
    sources = {kind.name: kind.fit(past) for kind in ALL}
    ranker = Ranker(past.table, sources, Counts.fit(past.sessions), None, plain.options, "", "")

    # when
    [answer] = ranker.rank([session([])], NOW)

    # then
    assert {(item.reason.code, item.reason.text) for item in answer.items} == {
        ("popular_in_category", "Popular in Lamps")
    }
    assert answer.items[0].reason.params == {"category": "Home > Lamps"}


def test_only_the_item_just_touched_is_dropped() -> None:
    # given
    clicked = session([name(3), name(5)])

    # when
    [kept] = shop(59).rank([clicked], NOW)
    [dropped] = shop(59, drop_last_item=True).rank([clicked], NOW)

    # then: an earlier one may come back
    assert {item.item_id for item in kept.items} - {item.item_id for item in dropped.items} == {name(5)}


class TestTheSessionVector:
    """What Redis holds of a session decides what it is shown, and is never needed."""

    @pytest.fixture
    def model(self) -> Signpost:
        return Signpost(60)

    @pytest.fixture
    def ranker(self, model: Signpost) -> Ranker:
        return led(worlds.ranker(World(60, ())), model)

    @pytest.fixture
    def sessions(self) -> list[Session]:
        return [session([name(10)]), session([name(4), name(20)]), session([name(30)])]

    def test_the_vector_of_another_session_changes_the_answer(self, ranker: Ranker, sessions: list[Session]) -> None:
        # given
        first, second, third = ranker.rank(sessions, NOW)

        # when
        swapped = ranker.rank(sessions, NOW, vectors=[second.vector, first.vector, third.vector])

        # then
        assert [answer.items[0].item_id for answer in (first, second, third)] == [name(11), name(21), name(31)]
        assert [answer.items[0].item_id for answer in swapped] == [name(21), name(11), name(31)]

    def test_a_vector_that_is_there_is_not_made_again(
        self, ranker: Ranker, model: Signpost, sessions: list[Session]
    ) -> None:
        # given
        before = ranker.rank(sessions, NOW)
        model.encoded.clear()

        # when
        after = ranker.rank(sessions, NOW, vectors=[answer.vector for answer in before])

        # then
        assert after == before
        assert model.encoded == []

    @pytest.mark.parametrize("wrong", [None, b"", b"\0" * 119, b"\0" * 128], ids=["none", "empty", "odd", "longer"])
    def test_a_vector_that_is_missing_or_of_another_model_is_made_anew(
        self, ranker: Ranker, model: Signpost, sessions: list[Session], wrong: bytes | None
    ) -> None:
        # given
        before = ranker.rank(sessions, NOW)
        model.encoded.clear()

        # when
        after = ranker.rank(sessions, NOW, vectors=[before[0].vector, wrong, before[2].vector])

        # then
        assert after == before
        assert model.encoded == [2]

    def test_a_vector_that_holds_no_numbers_costs_the_model_not_the_list(
        self, ranker: Ranker, sessions: list[Session]
    ) -> None:
        # when
        broken = np.full(60, np.nan, dtype=np.float16).tobytes()
        answers = ranker.rank(sessions, NOW, vectors=[None, broken, None])

        # then
        assert [answer.fallback for answer in answers] == [None, NOT_FINITE, None]
        assert len(answers[1].items) == 60
        assert answers[1].vector is None

    def test_there_is_none_of_a_session_that_nothing_is_known_of(self, ranker: Ranker) -> None:
        empty, unknown, known = ranker.rank([session([]), session(["nobody"]), session([name(1)])], NOW)
        assert (empty.vector, unknown.vector) == (None, None)
        assert known.vector is not None
        assert len(known.vector) == 2 * 60

    def test_where_the_order_is_not_learned_the_model_still_has_its_say(self, sessions: list[Session]) -> None:
        # given
        plain = worlds.ranker(World(60, ()))
        counted = Ranker(plain.table, plain.sources, plain.counts, Signpost(60), plain.options, "", "")

        # when
        answers, without = counted.rank(sessions, NOW), plain.rank(sessions, NOW)

        # then: at the same rank as an own item, the model's weight is the greater
        assert {answer.fallback for answer in (*answers, *without)} == {RECIPROCAL}
        assert name(11) in [item.item_id for item in answers[0].items[:2]]
        assert name(11) not in [item.item_id for item in without[0].items[:2]]
        assert answers[0].vector is not None
