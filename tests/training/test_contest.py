"""Each contestant by itself: the rank of a target in its list."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.errors import UsageError
from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.sessions import Sessions
from serving.ranking.sources.source import Source
from tests.worlds.shelf import ITEMS, Listing, Oracle, Untrained, at, walk
from training.contest import CatalogueRow, PoolRows, SourceRow
from training.field import ROWS, SOURCES, Field
from training.metrics import MISS
from training.predictions import Predictions


def nobody(query: Query) -> NDArray[np.int32]:
    return query.items[:0]


def last(query: Query) -> NDArray[np.int32]:
    return query.items[-1:]


def asked(sessions: Sessions) -> tuple[list[Query], NDArray[np.int32]]:
    predictions = Predictions.of(sessions)
    return list(predictions), predictions.targets


def test_a_source_is_ranked_by_its_own_list_ties_against_it() -> None:
    # given
    row = SourceRow("one", Listing((3, 1, 2), (0.9, 0.5, 0.5)), nobody)

    # when
    marks = row.marks(*asked(Sessions.listed([[3, 3], [3, 1], [3, 2], [3, 4], [3, -1]], ITEMS)))

    # then
    assert marks.ranks.tolist() == [[1, 3, 3, MISS, MISS]]


def test_a_dropped_last_item_is_a_miss_and_in_nobodys_way() -> None:
    # given
    row = SourceRow("one", Listing((3, 1, 2), (0.9, 0.5, 0.4)), last)

    # when
    marks = row.marks(*asked(Sessions.listed([[3, 3], [3, 1], [1, 2], [-1, 3]], ITEMS)))

    # then
    assert marks.ranks.tolist() == [[MISS, 1, 2, 1]]


def test_what_is_no_candidate_is_in_nobodys_way_however_much_of_it_there_is() -> None:
    # given: of a thousand the even ones are not there yet
    ids = tuple(range(1000))
    row = SourceRow(
        "one", Listing(ids, tuple(1.0 - 0.0001 * at for at in ids)), lambda _: np.arange(0, 1000, 2, dtype=np.int32)
    )

    # when
    marks = row.marks(*asked(Sessions.listed([[3, 1], [3, 9], [3, 8]], 1000)))

    # then
    assert marks.ranks.tolist() == [[1, 5, MISS]]


@pytest.mark.parametrize("drop_last_item", [False, True])
def test_over_the_whole_catalogue_every_item_is_in_the_way_but_a_dropped_one(drop_last_item: bool) -> None:
    # given: after 2 the oracle's vector speaks for 3 alone, all others are tied
    row = CatalogueRow(Oracle(), last if drop_last_item else nobody)

    # when
    marks = row.marks(*asked(Sessions.listed([[2, 3], [2, 5], [2, 2], [2, -1], [-1, 2]], ITEMS)))

    # then
    dropped = [1, ITEMS - 1, MISS, MISS, ITEMS]
    assert marks.ranks.tolist() == [dropped if drop_last_item else [1, ITEMS, ITEMS, MISS, ITEMS]]


def test_blocks_of_the_catalogue_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    row = CatalogueRow(Oracle(), nobody)
    queries, targets = asked(Sessions.listed(walk(0, 1, 2, 3, length=7), ITEMS))
    whole = row.marks(queries, targets).ranks

    # when
    monkeypatch.setattr("training.contest._BLOCK_SCORES", ITEMS * 3)

    # then
    assert row.marks(queries, targets).ranks.tolist() == whole.tolist() == [[1] * len(queries)]


def test_a_pool_is_ranked_in_three_orders_and_says_who_brought_the_target() -> None:
    # given
    row = PoolRows(Oracle())

    # when: the right one, the one after it, one outside the pool, an unknown one
    marks = row.marks(*asked(Sessions.listed([[0, 1], [0, 2], [0, 7], [0, -1]], ITEMS)))

    # then
    assert dict(zip(row.rows, marks.ranks.tolist(), strict=True)) == {
        "transformer_pool": [2, 1, MISS, MISS],
        "fusion_no_transformer": [MISS, 2, MISS, MISS],
        "fusion": [1, 3, MISS, MISS],
    }
    assert marks.pools is not None
    assert marks.pools.sizes.tolist() == [3, 3, 3, 3]
    assert marks.pools.brought.tolist() == [0b101, 0b010, 0, 0]


def test_a_row_that_is_none_is_refused() -> None:
    past = at(walk(0), 0)
    with pytest.raises(UsageError, match=r"no row fusion@home; it has popularity, .*, fusion$"):
        Field(Oracle(), past, rows=("fusion", "fusion@home"))


def test_a_source_of_the_bundle_competes_as_the_bundle_holds_it() -> None:
    # given
    past, own = at(walk(0), 0), Listing((1,), (1.0,))
    baselines: dict[str, Callable[[Past], Source]] = dict.fromkeys(SOURCES, Listing.fit)

    # when
    contestants = Field(Oracle(sources={"covisitation": own}), past, baselines=baselines)(past)

    # then
    assert tuple(row for contestant in contestants for row in contestant.rows) == ROWS
    assert [each.source is own for each in contestants if isinstance(each, SourceRow)].count(True) == 1


def test_without_a_model_the_catalogue_is_not_ranked() -> None:
    # given
    past = at(walk(0), 0)

    # when
    contestants = Field(Untrained(), past, rows=("transformer", "fusion"))(past)

    # then
    assert [contestant.rows for contestant in contestants] == [("fusion",)]
