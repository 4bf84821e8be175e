"""Features: what each column says, and what none of them may give away."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from schemas.click import EventType
from schemas.item import Item
from serving.ranking.counts import Counts
from serving.ranking.features import features, names, untouched
from serving.ranking.pool import Pool, gather
from serving.ranking.query import Query
from serving.ranking.sessions import DEEDS, Sessions
from serving.ranking.table import Table
from tests import worlds

SOURCES = ("near", "far")
SAID = ("reciprocal_rank", "share_of_best", "log_score")
HOUR_MS = 3_600_000

TABLE = Table.make(
    (),
    {
        "a": Item(item_id="a", category=("Home", "Lamps"), brand="Lux", price="10"),
        "b": Item(item_id="b", category=("Home", "Lamps"), brand="Nox", price="40"),
        "c": Item(item_id="c", category=("Home", "Rugs"), brand="Lux", price="0"),
        "d": Item(item_id="d"),
    },
)
A, B, C, D = range(4)
PAST = Sessions.listed([[A, B], [A, C], [A, B, B]], 4)


def asked(*touched: tuple[int, EventType], step_ms: int = 1_000) -> Query:
    items, types = [item for item, _ in touched], [DEEDS.index(deed) for item, deed in touched]
    times = np.arange(len(items), dtype=np.int64) * step_ms
    return Query(np.array(items, dtype=np.int32), np.array(types, dtype=np.uint8), times, int(times.max(initial=0)))


def pool(*ids: int) -> Pool:
    """`near` brings them in this order, `far` the last of them alone."""
    count = len(ids)
    ranks, scores = np.zeros((count, 2), dtype=np.float32), np.zeros((count, 2), dtype=np.float32)
    ranks[:, 0], scores[:, 0] = np.arange(1, count + 1), 8 * 0.5 ** np.arange(count)
    ranks[-1:, 1], scores[-1:, 1] = 1, 0.25
    return Pool(np.array(ids, dtype=np.int32), ranks, scores, np.full((count, 2), -1, dtype=np.int32))


def told(pool: Pool, query: Query, counts: Counts | None = None, table: Table = TABLE) -> list[dict[str, float]]:
    """Of each candidate, every feature by its name."""
    found = features(pool, query, Counts.fit(PAST) if counts is None else counts, table)
    columns = names(SOURCES)
    assert found.shape == (len(pool), len(columns))
    assert found.dtype == np.float32
    return [dict(zip(columns, row, strict=True)) for row in found.tolist()]


def test_every_column_has_a_name_of_its_own() -> None:
    columns = names(SOURCES)
    assert len(set(columns)) == len(columns)
    assert columns[:6] == (
        *("near.reciprocal_rank", "near.share_of_best", "near.log_score"),
        *("far.reciprocal_rank", "far.share_of_best", "far.log_score"),
    )


def test_of_every_source_its_rank_and_its_score_against_its_best() -> None:
    first, second = told(pool(A, B), asked((D, "view")))
    assert (first["near.reciprocal_rank"], first["near.share_of_best"]) == (1, 1)
    assert (second["near.reciprocal_rank"], second["near.share_of_best"]) == (0.5, 0.5)
    assert first["near.log_score"] - second["near.log_score"] == pytest.approx(math.log(2) / math.log(1e6), rel=1e-5)
    assert (second["far.reciprocal_rank"], second["far.share_of_best"]) == (1, 1)
    assert {first[name] for name in names(SOURCES) if name.startswith("far.")} == {0}


def test_how_the_session_touched_the_candidate() -> None:
    # when
    query = asked((A, "view"), (B, "cart"), (A, "view"), (C, "view"))
    a, b, c, d = told(pool(A, B, C, D), query)

    # then
    assert [each["in_session"] for each in (a, b, c, d)] == [1, 1, 1, 0]
    assert [each["nearness"] for each in (a, b, c, d)] == pytest.approx([1 / 2, 1 / 3, 1, 0])
    assert a["touches"] == pytest.approx(math.log1p(2))
    assert [each["first"] for each in (a, b, c, d)] == [1, 0, 0, 0]
    assert [each["last"] for each in (a, b, c, d)] == [0, 0, 1, 0]
    assert [each["chosen"] for each in (a, b, c, d)] == [0, 1, 0, 0]


def test_where_the_session_went_from_here_before_and_where_it_came_from() -> None:
    # when: what was just touched was touched twice before, once between D and B, once between B and C
    query = asked(*((item, "view") for item in (D, A, B, A, C, A)))
    a, b, c, d = told(pool(A, B, C, D), query)

    # then: what lies further back says less
    assert [each["followed"] for each in (a, b, c, d)] == pytest.approx([0, 1 / 4, 1 / 2, 0])
    assert [each["led"] for each in (a, b, c, d)] == pytest.approx([0, 1 / 4, 1 / 2, 1 / 6])


def test_how_many_turns_ago_the_candidate_was_touched() -> None:
    # when: since B, two other items; since D, three
    back = told(pool(A, B, C, D), asked(*((item, "view") for item in (D, B, A, C, A))))
    [new, *_] = told(pool(A, B, C, D), asked((B, "view"), (A, "view")))

    # then
    assert [each["turn"] for each in back] == pytest.approx([1, 1 / 3, 1 / 2, 1 / 4])
    assert [each["turn_back"] for each in back] == pytest.approx([each["turn"] for each in back])
    assert (new["turn"], new["turn_back"]) == (1, 0), "nobody has come back to anything"


def test_how_much_of_the_session_is_coming_back() -> None:
    for session, returned, returns in (
        ((), 0, 0),
        ((A,), 0, 0),
        ((A, B), 0, 0),
        ((A, B, A), 1, 1),
        ((A, A, B, A, B), 1, 3),
        ((A, A, B, C, D, B), 1, 1),
    ):
        [found] = told(pool(A), asked(*((item, "view") for item in session)))
        assert (found["returned"], found["returns"]) == (returned, returns), session


def test_how_the_candidate_is_like_what_was_just_touched() -> None:
    # when
    a, b, c, d = told(pool(A, B, C, D), asked((C, "view"), (A, "view")))

    # then
    assert [each["same_category"] for each in (a, b, c, d)] == [1, 1, 0, 0]
    assert [each["category_share"] for each in (a, b, c, d)] == [0.5, 0.5, 0.5, 0]
    assert [each["same_brand"] for each in (a, b, c, d)] == [1, 0, 1, 0]
    assert [each["priced"] for each in (a, b, c, d)] == [1, 1, 0, 0]  # a price of 0 is none
    assert [each["price_step"] for each in (a, b, c, d)] == pytest.approx([0, math.log(4), 0, 0])


def test_how_often_the_candidate_is_touched() -> None:
    counts = Counts.fit(PAST)
    [b, d] = told(pool(B, D), asked((A, "view")), counts)
    assert (b["ever"], b["lately"]) == (counts.ever[B], counts.lately[B])
    assert b["rise"] == pytest.approx(counts.lately[B] - counts.ever[B])
    assert d["ever"] < b["ever"]


def test_what_the_session_is_like_is_the_same_for_all() -> None:
    # given
    query = asked((A, "view"), (B, "view"), (A, "view"), step_ms=20_000)
    counts = replace(Counts.fit(PAST), until=query.now - 3 * HOUR_MS)

    # when
    found = told(pool(A, D), query, counts)

    # then
    for each in found:
        assert each["length"] == pytest.approx(math.log1p(3))
        assert each["distinct"] == pytest.approx(math.log1p(2))
        assert each["hurry"] == pytest.approx(math.log1p(20))
        assert each["age"] == pytest.approx(math.log1p(3)) or counts.until <= 0


def test_twice_the_clicks_change_no_feature_of_popularity() -> None:
    # given
    world = worlds.checkerboard()
    once = world.sessions
    twice = Sessions.listed([session for session in world.past for _ in range(2)], world.items)
    query = asked((3, "view"), (5, "view"))
    ranker = worlds.ranker(world)
    found = gather(ranker.quotas, query, np.zeros(0, dtype=np.int32))

    # when
    one, two = (features(found, query, Counts.fit(sessions), world.table) for sessions in (once, twice))

    # then
    columns = names(tuple(ranker.sources))
    popularity = [columns.index(name) for name in ("ever", "lately", "rise")]
    same_clock = replace(Counts.fit(twice), lately=Counts.fit(once).lately)
    assert one[:, columns.index("ever")] == pytest.approx(two[:, columns.index("ever")], abs=1e-3)
    assert features(found, query, same_clock, world.table)[:, popularity] == pytest.approx(one[:, popularity], abs=1e-3)


def test_nothing_is_known_of_an_empty_session_and_it_has_features_all_the_same() -> None:
    [a, d] = told(pool(A, D), asked())
    for name in ("in_session", "category_share", "same_brand", "priced", "length", "distinct", "hurry"):
        assert (a[name], d[name]) == (0, 0)
    assert a["ever"] > d["ever"]


def test_a_catalogue_that_says_nothing_makes_no_two_items_alike() -> None:
    bare = Table.make(["a", "b", "c", "d"])
    for each in told(pool(A, B, C, D), asked((A, "view"), (B, "view")), table=bare):
        assert {each[name] for name in ("same_category", "category_share", "same_brand", "priced", "price_step")} == {0}


@pytest.mark.parametrize("session", [(), ((A, "view"),), ((D, "purchase"), (C, "view"), (C, "view"))])
def test_no_feature_is_ever_anything_but_a_number(session: tuple[tuple[int, EventType], ...]) -> None:
    cheap, dear = Item(item_id="a", price="0.000001"), Item(item_id="c", price="999999999999")
    extreme = Table.make(["b", "d"], {"a": cheap, "c": dear})
    for table in (TABLE, extreme):
        for each in told(pool(A, B, C, D), asked(*session), table=table):
            assert all(math.isfinite(value) for value in each.values())


def test_an_empty_pool_has_no_rows() -> None:
    assert told(pool(), asked((A, "view"))) == []


def test_a_clock_that_goes_back_is_no_hurry() -> None:
    query = asked((A, "view"), (B, "view"), step_ms=-5_000)
    [a] = told(pool(A), query)
    assert a["hurry"] == 0


def test_an_item_that_nobody_touched_has_the_features_that_training_gives_it() -> None:
    # given: a shop of two sources, of which the first knows what was clicked on, and an item that came today
    shop = ("covisitation", "transformer")
    query, counts = asked((A, "view"), (B, "view")), Counts.fit(PAST)
    nobody = Pool(
        np.array([D], dtype=np.int32),
        np.array([[0, 3]], dtype=np.float32),
        np.array([[0, 0.5]], dtype=np.float32),
        np.full((1, 2), -1, dtype=np.int32),
    )

    # when
    [found] = features(nobody, query, counts, TABLE)
    given = untouched(shop)

    # then
    past = np.isfinite(given)
    assert found[past] == pytest.approx(given[past])
    said = {f"covisitation.{column}" for column in SAID}
    assert {name for name, told in zip(names(shop), past, strict=True) if told} == {*said, "ever", "lately", "rise"}
