"""Items of the same company."""

from __future__ import annotations

import pytest

from serving.ranking.sources import item2vec
from serving.ranking.sources.item2vec import Item2Vec
from serving.ranking.sources.source import Source
from tests import worlds
from tests.ranking.sources.laws import SourceLaws, query
from tests.worlds import World


class TestItem2Vec(SourceLaws):
    def kind(self) -> type[Source]:
        return Item2Vec

    @pytest.mark.parametrize(("item", "other"), [(0, 1), (1, 0), (2, 3), (5, 4), (6, 7)])
    def test_what_keeps_the_same_company_is_alike_though_never_seen_together(self, item: int, other: int) -> None:
        found = Item2Vec.fit(worlds.substitutes().log, width=4).candidates(query(item), 3)
        assert found.ids.tolist()[0] == other
        assert found.because.tolist()[0] == item

    def test_no_neighbour_crosses_colours(self) -> None:
        source = Item2Vec.fit(worlds.checkerboard().log, width=2)
        for item in range(20):
            best = source.candidates(query(item), 5)
            assert {other % 2 for other in best.ids.tolist()} == {item % 2}

    def test_an_item_without_company_has_no_neighbours(self) -> None:
        assert Item2Vec.fit(World(4, ((0, 1), (2,))).log).candidates(query(2, 3), 10).ids.tolist() == []

    def test_of_a_great_catalogue_the_most_touched_get_vectors(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # given: the second half is touched twice as often as the first
        monkeypatch.setattr(item2vec, "ITEMS_MAX", 4)
        world = World(8, worlds.substitutes().past + ((4, 6), (4, 7), (5, 6), (5, 7)) * 5)

        # when
        source = Item2Vec.fit(world.log, width=4)

        # then
        assert source.candidates(query(4), 1).ids.tolist() == [5]
        assert source.candidates(query(0), 1).ids.tolist() == []
