"""Where item vectors begin: company decides, and what has none still has a place of its own."""

from __future__ import annotations

import numpy as np
import pytest

from serving.ranking.sessions import Sessions
from training.beginnings import beginnings

ITEMS = 41
ALONE = 40


def shop() -> Sessions:
    """Two halves of a catalogue that no session has both of, and one item that nobody has touched."""
    chance = np.random.default_rng(3)
    halves = [range(20), range(20, 40)]
    return Sessions.listed([chance.permutation(halves[each % 2])[:6].tolist() for each in range(400)], ITEMS)


def test_items_of_one_company_begin_nearer_to_each_other_than_to_the_others() -> None:
    # when
    found = beginnings(shop(), 16, seed=0)

    # then
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    likeness = unit[:40] @ unit[:40].T
    same = np.arange(40)[:, None] // 20 == np.arange(40) // 20
    assert likeness[same].mean() > likeness[~same].mean() + 0.3


def test_what_nobody_touched_has_a_direction_of_its_own() -> None:
    found = beginnings(shop(), 16, seed=0)
    assert np.linalg.norm(found[ALONE]) > 0


def test_what_is_touched_alone_begins_as_what_nobody_touched() -> None:
    # given: sessions of two items each, and one that never has company
    found = beginnings(Sessions.listed([*[[0, 1], [2, 3], [0, 2], [1, 3]] * 5, [4]], 6), 4, seed=0)

    # then
    lengths = np.linalg.norm(found, axis=1)
    assert (lengths[:4] > 0.9).all()
    assert (lengths[4:] < 0.1).all()


@pytest.mark.parametrize(("items", "width"), [(1, 16), (3, 64)])
def test_a_catalogue_may_have_fewer_items_than_a_vector_has_places(items: int, width: int) -> None:
    found = beginnings(Sessions.listed([[0, items - 1]], items), width, seed=0)
    assert found.shape == (items, width)
    assert np.isfinite(found).all()


def test_the_same_seed_gives_the_same_beginnings() -> None:
    one, two, other = (beginnings(shop(), 16, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
