"""Ranks and what they are worth, by hand."""

from __future__ import annotations

from math import log2, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.metrics import METRICS, MISS, gains, means, rank_of

IDS = np.array([7, 3, 9], dtype=np.int32)


@pytest.mark.parametrize(
    ("scores", "target", "rank"),
    [
        pytest.param([0.5, 0.9, 0.1], 3, 1, id="best"),
        pytest.param([0.5, 0.9, 0.1], 7, 2, id="second"),
        pytest.param([0.5, 0.5, 0.1], 3, 2, id="a tie counts against us"),
        pytest.param([1.0, 1.0, 1.0], 7, 3, id="all tied is last"),
        pytest.param([0.5, 0.9, 0.1], 8, MISS, id="outside the pool"),
        pytest.param([0.5, 0.9, 0.1], -1, MISS, id="unknown"),
        pytest.param([nan, 0.9, 0.1], 7, MISS, id="no number"),
        pytest.param([-np.inf, -np.inf, 0.1], 7, MISS, id="ruled out"),
        pytest.param([nan, 0.9, 0.1], 9, 2, id="no number stands in nobody's way"),
    ],
)
def test_a_rank_counts_what_scores_at_or_above(scores: list[float], target: int, rank: int) -> None:
    assert rank_of(IDS, np.array(scores, dtype=np.float32), target) == rank


def test_nothing_is_ranked_in_an_empty_list() -> None:
    assert rank_of(IDS[:0], np.zeros(0, dtype=np.float32), 7) == MISS


def test_every_metric_of_every_rank_is_as_by_hand() -> None:
    # given
    ranks = np.array([1, 3, 10, 11, 20, 21, 30, 31, MISS], dtype=np.int32)

    # when
    found = means(ranks)

    # then
    assert tuple(found) == METRICS == ("hit_rate@10", "hit_rate@20", "hit_rate@30", "mrr@20", "ndcg@20")
    assert found["hit_rate@10"] == pytest.approx(3 / 9)
    assert found["hit_rate@20"] == pytest.approx(5 / 9)
    assert found["hit_rate@30"] == pytest.approx(7 / 9)
    assert found["mrr@20"] == pytest.approx((1 + 1 / 3 + 1 / 10 + 1 / 11 + 1 / 20) / 9)
    assert found["ndcg@20"] == pytest.approx(sum(1 / log2(rank + 1) for rank in (1, 3, 10, 11, 20)) / 9)


def test_nothing_to_measure_is_worth_nothing() -> None:
    assert set(means(np.zeros(0, dtype=np.int32)).values()) == {0.0}


@given(st.lists(st.integers(1, 60), min_size=1), st.data())
def test_a_better_rank_is_never_worth_less(ranks: list[int], data: st.DataObject) -> None:
    # given
    better = [data.draw(st.integers(1, rank)) for rank in ranks]

    # then
    assert (gains(np.array(better, dtype=np.int32)) >= gains(np.array(ranks, dtype=np.int32))).all()
    assert (gains(np.array(ranks, dtype=np.int32)) >= gains(np.zeros(len(ranks), dtype=np.int32))).all()
