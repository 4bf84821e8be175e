"""Lists of neighbours: what is written is what votes."""

from __future__ import annotations

import numpy as np
import pytest

from serving.ranking.neighbours import Neighbours, decoded


def rows(*lists: dict[int, float]) -> Neighbours:
    """Each item's neighbours with their scores."""
    return Neighbours.make(
        np.array([len(row) for row in lists]),
        np.array([item for row in lists for item in row], dtype=np.int32),
        np.array([score for row in lists for score in row.values()], dtype=np.float32),
    )


def test_every_half_is_decoded_to_the_number_it_is() -> None:
    halves = np.arange(0x7C00, dtype=np.uint16)
    assert [decoded(int(half)) for half in halves] == halves.view(np.float16).astype(np.float64).tolist()


def test_an_items_neighbours_get_its_say_and_the_strongest_voter_is_named() -> None:
    # given
    neighbours = rows({1: 0.5, 2: 0.25}, {2: 0.5}, {})

    # when: 1 is the latest item, and counts twice what 0 does
    found = neighbours.vote(np.array([0, 1], dtype=np.int32), np.array([1, 0.5], dtype=np.float32), 10)

    # then
    assert [column.tolist() for column in found] == [[2, 1], [0.625, 0.25], [1, 0]]


def test_a_score_that_vanishes_in_sixteen_bits_is_no_neighbours() -> None:
    assert rows({1: 1e-12}, {0: 0.5}).starts.tolist() == [0, 0, 1]


@pytest.mark.parametrize("score", [np.nan, np.inf, -0.5])
def test_a_score_that_is_no_finite_number_from_0_on_is_refused(score: float) -> None:
    arrays = rows({1: 1.0}, {0: 0.5}).arrays()
    with pytest.raises(ValueError, match="`scores`"):
        Neighbours.read({**arrays, "scores": np.array([1, score], dtype=np.float16)}, 2)


def test_a_row_for_every_item_is_asked_for() -> None:
    arrays = rows({1: 1.0}, {0: 0.5}).arrays()
    with pytest.raises(ValueError, match="`starts`"):
        Neighbours.read(arrays, 3)
    with pytest.raises(ValueError, match="`ids`"):
        Neighbours.read(arrays, 1)
