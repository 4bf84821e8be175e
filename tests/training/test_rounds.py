"""Live counts: what was over before the bucket began, and nothing of who is asked."""

from __future__ import annotations

import pytest

from schemas.errors import UsageError
from serving.ranking.refreshing import merged
from tests.worlds.shelf import HOUR_MS, ITEMS, Listing, Oracle, at, trained, unclocked, walk
from training import rounds
from training.evaluate import Switches, evaluate
from training.field import Field
from training.predictions import Predictions


def test_live_counts_know_what_was_over_before_the_bucket_and_nothing_of_who_is_asked() -> None:
    # given: two sessions in the first hour, one over the border into the second, two in the second
    past = at([[0, 1]], 0)
    first, second = 10 * HOUR_MS, 11 * HOUR_MS
    test = at(
        [[1, 2], [2, 3, 4], [3, 4, 5], [6, 7], [7, 0]],
        *(first, first + 5_000, second - 1_000, second, second + 60_000),
    )
    predictions = Predictions.of(test)

    # when
    one, two = rounds.live(predictions, past, HOUR_MS)

    # then: an answer is for the moment of its last event
    assert predictions.owners[one.numbers].tolist() == [0, 1, 1, 2]
    assert predictions.owners[two.numbers].tolist() == [2, 3, 4]
    assert one.counted is past
    assert [two.counted.of(s) for s in range(len(two.counted))] == [[0, 1], [1, 2], [2, 3, 4]]
    assert two.counted.times.max() < second


def test_live_counts_are_made_anew_for_every_row_a_bucket() -> None:
    # given
    past = at([[0, 0]], 0)
    test = at([[1, 7], [1, 7], [1, 7]], HOUR_MS, 2 * HOUR_MS, 4 * HOUR_MS)
    ranker = Oracle()
    field = Field(ranker, past, rows=("popularity", "fusion"), baselines={"popularity": Listing.fit})

    # when
    found = evaluate(test, trained(past), field, Switches(live_counts_s=3600), threads=2)

    # then: 7 is last, then tied with 1 behind 0, then with both
    assert [len(counted) for counted in ranker.pasts] == [2, 3]
    assert found.rows["popularity"].values["mrr@20"] == pytest.approx((1 / 8 + 1 / 3 + 1 / 3) / 3)


def test_live_counts_without_a_clock_are_refused() -> None:
    predictions = Predictions.of(unclocked(walk(0)))
    with pytest.raises(UsageError, match="--live-counts needs a clock"):
        list(rounds.live(predictions, unclocked(walk(1)), HOUR_MS))


def test_a_snapshot_and_what_came_after_it_are_one_past() -> None:
    # given
    snapshot, since = at(walk(0), 0), at([[5, 6, -1, 7], [1, 2]], 10_000, 20_000)

    # when
    found = merged(snapshot, since, until=20_001)

    # then
    assert [found.of(session) for session in range(len(found))] == [[0, 1, 2], [5, 6, 7], [1]]
    assert found.times.tolist() == [0, 1_000, 2_000, 10_000, 11_000, 13_000, 20_000]
    assert found.catalogue == ITEMS


def test_a_merged_past_stands_in_the_order_its_sessions_began() -> None:
    # given
    snapshot, since = at([[0, 1], [2, 3]], 0, 9_000), at([[5, 6], [7]], 9_500, 4_000)

    # when
    found = merged(snapshot, since, until=HOUR_MS)

    # then
    assert [found.of(session) for session in range(len(found))] == [[0, 1], [7], [2, 3], [5, 6]]
    assert found.times[found.starts[:-1]].tolist() == [0, 4_000, 9_000, 9_500]


def test_nothing_new_leaves_the_snapshot_as_it_was() -> None:
    snapshot = at(walk(0, 3), 0, 5)
    found = merged(snapshot, at([[1, 2]], HOUR_MS), until=HOUR_MS)
    assert (found.items == snapshot.items).all()
    assert (found.starts == snapshot.starts).all()
