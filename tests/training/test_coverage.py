"""What lists show of the catalogue, in worlds whose shares are known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.ranking.sessions import Sessions
from tests.worlds.shelf import HOUR_MS, ITEMS, Oracle, Pool, at, trained, walk
from training import rounds
from training.contest import LISTED, PoolRows
from training.coverage import coverage, spread
from training.evaluate import Switches, evaluate
from training.field import Field
from training.predictions import UNKNOWN, Predictions
from training.standings import compete


def test_items_that_all_occur_alike_have_no_gini_and_one_that_has_everything_nearly_one() -> None:
    # given
    popular = np.arange(100)

    # when
    alike, alone = spread(np.full(100, 3), popular), spread(np.eye(100, dtype=np.int64)[0] * 7, popular)

    # then
    assert (alike.reached, alone.reached) == (1.0, 0.01)
    assert [alike.gini, alone.gini] == [pytest.approx(0.0), pytest.approx(0.99)]
    assert list(alike.groups.values()) == [pytest.approx(share) for share in (0.01, 0.09, 0.4, 0.5)]
    assert list(alone.groups.values()) == [1.0, 0.0, 0.0, 0.0]


@given(counts=st.lists(st.integers(0, 50), min_size=1, max_size=60))
def test_groups_share_out_everything_whatever_the_size_of_the_catalogue(counts: list[int]) -> None:
    given_counts = np.array(counts)
    found = spread(given_counts, np.argsort(-given_counts, kind="stable"))
    assert sum(found.groups.values()) == pytest.approx(1.0 if any(counts) else 0.0)
    assert 0.0 <= found.gini < 1.0
    assert found.reached == np.count_nonzero(counts) / len(counts)


def test_places_behind_a_lists_end_and_unknown_targets_count_for_nobody() -> None:
    # given
    listed = np.array([[3, 1, UNKNOWN], [3, UNKNOWN, UNKNOWN]], dtype=np.int32)

    # when
    found = coverage(listed, np.array([2, UNKNOWN], dtype=np.int32), np.array([9, 4, 1, 0]))

    # then
    assert found.of == 3
    assert (found.lists.reached, found.targets.reached, found.training.reached) == (0.5, 0.25, 0.75)
    assert list(found.lists.groups.values()) == [0.0, 0.0, pytest.approx(1 / 3), pytest.approx(2 / 3)]
    assert list(found.training.groups.values()) == [pytest.approx(9 / 14), 0.0, pytest.approx(4 / 14), 1 / 14]


class Tied(Oracle):
    """All of its candidates score alike, but for one that only another pool had."""

    @staticmethod
    def _judged(query: object) -> Pool:
        ids = np.array([7, 2, 5, 0], dtype=np.int32)
        scores = np.array([1.0, 1.0, np.nan, 2.0], dtype=np.float32)
        return Pool(ids, np.array([1, 1, 0, 1], dtype=np.uint32), scores, scores, scores)


def test_a_list_breaks_ties_by_item_and_what_another_pool_had_is_neither_in_it_nor_counted() -> None:
    # given
    predictions = Predictions.of(Sessions.listed([[1, 2]], ITEMS))

    # when
    marks = PoolRows(Tied()).marks(list(predictions), predictions.targets)

    # then
    assert marks.pools is not None
    assert marks.pools.listed.tolist() == [[0, 2, 7, *[UNKNOWN] * (LISTED - 3)]]
    assert marks.pools.sizes.tolist() == [3]


def test_lists_stand_as_the_predictions_do_whatever_the_rounds() -> None:
    # given
    predictions = Predictions.of(Sessions.listed(walk(0, 3, 5) * 9, ITEMS))
    past = Sessions.listed([[0]], ITEMS)
    backwards = [rounds.Round(part, past) for part in np.array_split(np.arange(len(predictions))[::-1], 5)]

    # when
    alone = compete(predictions, rounds.once(predictions, past), lambda counted: [PoolRows(Oracle())], threads=1)
    many = compete(predictions, backwards, lambda counted: [PoolRows(Oracle())], threads=3)

    # then: the oracle lists the next item first
    assert alone.pools is not None
    assert many.pools is not None
    assert many.pools.listed.tolist() == alone.pools.listed.tolist()
    assert alone.pools.listed[:, 0].tolist() == predictions.targets.tolist()


def test_an_evaluation_tells_the_spread_of_lists_targets_and_training() -> None:
    # given: training had 0 to 2, and from 3 the oracle lists 4, 5 and 6
    past, test = at([[0, 1, 2]], 0), at([[3, 4], [3, 4]], HOUR_MS, HOUR_MS)

    # when
    report = evaluate(test, trained(past), Field(Oracle(), past, rows=("fusion",)), Switches(), threads=1).report()

    # then
    found = report["coverage"]
    assert isinstance(found, dict)
    assert found["of"] == LISTED
    assert [found[name]["reached"] for name in ("lists", "targets", "training")] == [3 / 8, 1 / 8, 3 / 8]


def test_without_the_ranker_there_are_no_lists_to_tell_of() -> None:
    past, test = at([[0, 1, 2]], 0), at([[3, 4]], HOUR_MS)
    found = evaluate(test, trained(past), Field(Oracle(), past, rows=("popularity",)), Switches(), threads=1)
    assert found.coverage is None
    assert found.report()["coverage"] is None
