"""Intervals that hold what they say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.bootstrap import interval, resampled


def world(sessions: int, chance_of: list[float], seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sessions of one to five predictions, all of which a row hits or misses, a row a chance of hitting."""
    chance = np.random.default_rng(seed)
    counts = chance.integers(1, 6, sessions)
    hit = (chance.random((sessions, len(chance_of))) < chance_of).astype(np.float64)
    return hit * counts[:, None], counts


def test_the_same_seed_draws_the_same_intervals() -> None:
    # given
    sums, counts = world(200, [0.3, 0.5], seed=1)

    # when
    first, second, other = (resampled(sums, counts, resamples=100, seed=seed) for seed in (3, 3, 4))

    # then
    assert (first == second).all()
    assert (first != other).any()


def test_an_interval_of_95_in_100_holds_the_truth_about_as_often() -> None:
    # given
    worlds = [world(150, [0.3], seed) for seed in range(200)]

    # when
    ends = [interval(resampled(sums, counts, resamples=400))[:, 0] for sums, counts in worlds]

    # then
    held = sum(low <= 0.3 <= high for low, high in ends)
    assert 180 <= held <= 198


def test_predictions_of_one_session_stand_and_fall_together() -> None:
    # given: ten predictions a session, all hit or none
    hit = (np.random.default_rng(1).random(300) < 0.5).astype(np.float64)[:, None]
    ten, one = np.full(300, 10), np.ones(300, dtype=np.int64)

    # when
    by_session = interval(resampled(hit * 10, ten))
    as_if_alone = interval(resampled(np.repeat(hit, 10, axis=0), np.repeat(one, 10)))

    # then
    assert np.ptp(by_session) == pytest.approx(np.ptp(as_if_alone) * np.sqrt(10), rel=0.1)


def test_a_mean_is_over_the_predictions_that_were_drawn() -> None:
    # given: long sessions and short ones, every prediction of them a hit
    _, counts = world(50, [0.3], seed=1)

    # then
    assert resampled(counts[:, None].astype(np.float64), counts, resamples=50) == pytest.approx(1.0)


def test_a_better_row_is_told_from_a_worse_one_and_from_its_equal() -> None:
    # given
    sums, counts = world(2_000, [0.35, 0.3, 0.35], seed=5)

    # when
    drawn = resampled(sums, counts)
    (over_worse, over_equal), (_, highest) = interval(drawn[:, [0]] - drawn[:, 1:])

    # then
    assert over_worse > 0
    assert over_equal < 0 < highest


def test_a_row_is_not_ahead_of_itself() -> None:
    # given
    sums, counts = world(100, [0.3], seed=5)

    # when
    drawn = resampled(np.repeat(sums, 2, axis=1), counts)

    # then
    assert interval(drawn[:, [0]] - drawn[:, [1]]).tolist() == [[0.0], [0.0]]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    sums, counts = world(50, [0.3, 0.4], seed=2)
    whole = resampled(sums, counts, resamples=64)

    # when
    monkeypatch.setattr("training.bootstrap._BLOCK_DRAWS", 50 * 7)

    # then
    assert np.allclose(resampled(sums, counts, resamples=64), whole)
