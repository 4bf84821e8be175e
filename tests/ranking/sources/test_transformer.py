"""Items whose learned vectors point the same way."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking.likeness import few
from serving.ranking.past import Past
from serving.ranking.sources.source import Source
from serving.ranking.sources.transformer import NEIGHBOURS, RECENCY, Transformer
from tests import worlds
from tests.ranking.sources.laws import SourceLaws, query, scored
from tests.worlds import World


class Learned(Transformer):
    """Over vectors by chance, as a model might have learned them."""

    @classmethod
    def fit(cls, past: Past) -> Self:
        items = len(past.table)
        return super().fit(replace(past, vectors=unit(np.random.default_rng(0).normal(size=(items, 8)))))


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float16]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float16)


def among(vectors: NDArray[np.float16]) -> Transformer:
    return Transformer.fit(replace(World(len(vectors), ()).log, vectors=vectors))


class TestTransformer(SourceLaws):
    def kind(self) -> type[Source]:
        return Learned

    def test_the_nearest_come_first_and_by_their_cosine(self) -> None:
        # given: five items on a quarter of a circle
        angles = np.linspace(0, np.pi / 2, 5)
        source = among(unit(np.stack((np.cos(angles), np.sin(angles)), axis=1)))

        # when
        found = scored(source.candidates(query(0), 10))

        # then: the one at a right angle is like it in nothing
        assert list(found) == [1, 2, 3]
        assert np.allclose(list(found.values()), np.cos(angles[1:4]), atol=2e-3)

    def test_the_last_item_says_most(self) -> None:
        # given: two pairs that have nothing in common
        source = among(unit(np.array([[1.0, 0], [1, 0.1], [0, 1], [0.1, 1]])))

        # then
        found = source.candidates(query(0, 2), 10)
        assert (found.ids.tolist()[0], found.because.tolist()[0]) == (3, 2)
        assert RECENCY[0] > RECENCY[1]

    def test_an_item_keeps_so_many_neighbours_and_no_more(self) -> None:
        source = among(unit(1 + 0.1 * np.random.default_rng(1).normal(size=(120, 8))))
        assert len(source.candidates(query(3), 120).ids) == few(NEIGHBOURS, 120) < 100

    def test_before_there_is_a_model_nobody_is_anybodys_neighbour(self) -> None:
        source = Transformer.fit(worlds.chain().log)
        assert source.candidates(query(3, 4), 10).ids.tolist() == []
