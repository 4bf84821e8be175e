"""What a placement is measured by is what the endpoint would show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from schemas.click import EventType
from schemas.placement import Placement, Shift, Touched
from schemas.recommendation import PUBLISHED
from serving.ranking.query import Query
from serving.ranking.ranker import Ranker
from serving.ranking.sessions import DEEDS
from tests import worlds
from training.placed import Placed


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    return worlds.ranker(worlds.shelves(60))


def asked(*deeds: tuple[int, EventType]) -> Query:
    items = np.array([item for item, _ in deeds], np.int32)
    types = np.array([DEEDS.index(deed) for _, deed in deeds], np.uint8)
    return Query(items, types, np.arange(len(deeds), dtype=np.int64), worlds.NOW)


def shown(ranker: Ranker, query: Query, **rules: Any) -> list[int]:
    [items] = Placed(ranker, Placement(name="spot", **rules)).lists([query])
    return items


def ranked(ranker: Ranker, query: Query) -> list[int]:
    [considered] = ranker.consider([query])
    return list(map(int, ranker.table.find([item.item_id for item in ranker.listed(considered)])))


def test_without_rules_it_is_what_a_worker_publishes(ranker: Ranker) -> None:
    query = asked((10, "view"), (11, "view"))
    assert shown(ranker, query) == ranked(ranker, query)[:PUBLISHED]
    assert shown(ranker, query, limit=8) == ranked(ranker, query)[:8]


def test_many_are_asked_at_once_and_each_is_shown_its_own(ranker: Ranker) -> None:
    queries = [asked((10, "view")), asked(), asked((50, "cart"), (51, "view"))]
    placed = Placed(ranker, Placement(name="spot", limit=5))
    assert placed.lists(queries) == [placed.lists([query])[0] for query in queries]


@pytest.mark.parametrize(
    ("hide", "hidden"), [("seen", {10, 11, 12, 13}), ("bought", {11, 13}), ("cart", {12}), ("shown", set())]
)
def test_what_a_placement_hides_of_a_session_is_told_by_its_events(
    ranker: Ranker, hide: Touched, hidden: set[int]
) -> None:
    query = asked((11, "purchase"), (13, "cart"), (12, "cart"), (13, "purchase"), (10, "view"))
    touched = {10, 11, 12, 13}
    boost = tuple(Shift(item=ranker.table.id(item), places=60) for item in touched)
    assert set(shown(ranker, query, boost=boost)[:4]) == touched
    assert set(shown(ranker, query, boost=boost, hide=frozenset({hide}))) & touched == touched - hidden


def test_a_cap_holds(ranker: Ranker) -> None:
    items = shown(ranker, asked((10, "view"), (11, "view")), per_brand=4)
    assert sorted(ranker.table.brands[items].tolist()) == [0] * 4 + [1] * 4


def test_where_rules_leave_too_few_of_what_is_stored_it_is_ranked_anew() -> None:
    ranker = worlds.ranker(worlds.shelves(200))
    seen, fresh, query = [10, 11], [*range(PUBLISHED)], asked()
    while len(fresh) >= PUBLISHED:
        query = asked(*((item, "view") for item in seen))
        fresh = [item for item in ranked(ranker, query) if item not in seen]
        seen = seen if len(fresh) < PUBLISHED else [*seen, *fresh]

    items = shown(ranker, query, hide=frozenset({"seen"}))
    assert len(items) == PUBLISHED
    assert not set(items) & set(seen)
