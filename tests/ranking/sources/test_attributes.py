"""Items of the same kind."""

from __future__ import annotations

import pytest

from schemas.item import Item
from serving.ranking.sources.attributes import Attributes
from serving.ranking.sources.source import Source
from tests import worlds
from tests.ranking.sources.laws import SourceLaws, query, scored
from tests.worlds import World, name


class TestAttributes(SourceLaws):
    def kind(self) -> type[Source]:
        return Attributes

    def test_the_same_category_brand_and_price_come_first(self) -> None:
        # given
        source = Attributes.fit(worlds.shelves().log)

        # when: a lamp by Ash, the second cheapest of twenty
        found = source.candidates(query(2), 3)

        # then: the three that share its fifth of the lamps
        assert set(found.ids.tolist()) == {0, 4, 6}
        assert set(found.because.tolist()) == {2}

    def test_what_shares_nothing_is_no_candidate(self) -> None:
        # a rug by Birch is none for a lamp by Ash
        found = Attributes.fit(worlds.shelves().log).candidates(query(2), 100)
        assert set(found.ids.tolist()) == {item for item in range(40) if item % 2 == 0 or item < 20} - {2}

    def test_what_nobody_has_touched_yet_is_a_candidate_at_the_end_of_its_shelf(self) -> None:
        # given: 36 to 39 are new
        found = Attributes.fit(worlds.shelves().log).candidates(query(20), 100)

        # then: of all lamps by Birch they are the last
        both = [item for item in found.ids.tolist() if item % 2 == 0 and item >= 20]
        assert set(both[-2:]) == {36, 38}

    def test_of_one_shelf_the_most_touched_comes_first(self) -> None:
        # given
        goods = tuple(Item(item_id=name(item), category=("Lamps",)) for item in range(4))
        world = World(4, ((3, 3, 3, 1, 1, 2),), goods)

        # when
        found = Attributes.fit(world.log, half_life_share=float("inf")).candidates(query(0), 10)

        # then: each is lent one click, and there are ten
        assert scored(found) == pytest.approx({3: 0.4, 1: 0.3, 2: 0.2}, rel=1e-3)

    def test_equal_prices_lie_on_the_same_shelf(self) -> None:
        # given: ten rugs, all but two of one price
        prices = [5, 5, 5, 5, 5, 5, 5, 5, 90, 99]
        goods = tuple(
            Item(item_id=name(item), category=("Rugs",), price=str(price)) for item, price in enumerate(prices)
        )
        source = Attributes.fit(World(10, (), goods).log)

        # when / then
        assert source.candidates(query(8), 10).ids.tolist()[0] == 9
        cheap = scored(source.candidates(query(0), 10))
        assert {score for item, score in cheap.items() if item < 8} == {max(cheap.values())}
        assert cheap[9] < cheap[1]

    def test_a_shop_without_attributes_has_no_shelves(self) -> None:
        assert Attributes.fit(worlds.chain().log).candidates(query(3), 10).ids.tolist() == []
