"""Nearest vectors: all of them found, or of a great catalogue nearly all."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from serving.ranking import likeness
from serving.ranking.likeness import nearest


def drawn(items: int, width: int = 8, seed: int = 1) -> NDArray[np.float32]:
    """Vectors in a hundred loose clusters, as those of a shop's items are."""
    chance = np.random.default_rng(seed)
    centres = chance.standard_normal((100, width))
    spread = chance.standard_normal((items, width))
    return (centres[chance.integers(0, 100, items)] + 0.5 * spread).astype(np.float32)


def listed(vectors: NDArray[np.float32], most: int) -> list[list[int]]:
    lengths, ids, _ = nearest(vectors, most)
    return [row.tolist() for row in np.split(ids, np.cumsum(lengths)[:-1])]


@pytest.mark.parametrize("block", [1, 7, 256])
def test_the_nearest_are_those_with_the_greatest_cosine(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setattr(likeness, "_BLOCK", block)
    vectors = drawn(60)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = (unit @ unit.T).astype(np.float64)
    np.fill_diagonal(cosines, -1)

    # when
    lengths, ids, scores = nearest(vectors, 5)

    # then
    ends = np.cumsum(lengths)
    for item, (row, likenesses) in enumerate(zip(np.split(ids, ends), np.split(scores, ends), strict=True)):
        if item == len(vectors):
            continue  # what is behind the last end
        expected = sorted(range(60), key=lambda other: -cosines[item, other])[:5]
        assert row.tolist() == [other for other in expected if cosines[item, other] > 0]
        assert likenesses.tolist() == pytest.approx(cosines[item, row].tolist(), abs=1e-6)


def test_equal_ones_come_by_index_however_many() -> None:
    vectors = np.ones((300, 2), dtype=np.float32)
    assert listed(vectors, 4)[0] == [1, 2, 3, 4]
    assert listed(vectors, 4)[299] == [0, 1, 2, 3]


def test_a_vector_of_zeros_has_no_neighbours_and_is_nobodys() -> None:
    assert listed(np.array([[1, 0], [0, 0], [1, 1]], dtype=np.float32), 2) == [[2], [], [0]]
    assert listed(np.zeros((2, 3), dtype=np.float32), 2) == [[], []]


def test_what_points_away_is_no_neighbour() -> None:
    assert listed(np.array([[1, 0], [-1, 0.1]], dtype=np.float32), 2) == [[], []]


def test_in_a_great_catalogue_nearly_all_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    vectors = drawn(20_000)
    exact = listed(vectors, 10)

    # when
    monkeypatch.setattr(likeness, "EXACT_MAX", 10_000)
    monkeypatch.setattr(likeness, "_GROUP_ITEMS", 100)
    found = listed(vectors, 10)

    # then
    shared = [len(set(some) & set(every)) for some, every in zip(found, exact, strict=True)]
    assert all(len(row) == 10 for row in found)
    assert np.mean(shared) >= 9.5
