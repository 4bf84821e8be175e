"""What comes right after an item."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.ranking.sources.markov import Markov
from serving.ranking.sources.source import Source
from tests import worlds
from tests.ranking.sources.laws import SourceLaws, query, scored
from tests.ranking.sources.plain import HISTORIES
from tests.worlds import World


class TestMarkov(SourceLaws):
    def kind(self) -> type[Source]:
        return Markov

    @pytest.mark.parametrize("item", range(5, 35))
    def test_the_next_on_the_shelf_comes_next(self, item: int) -> None:
        assert Markov.fit(worlds.chain().log).candidates(query(item), 1).ids.tolist() == [item + 1]

    def test_only_the_last_item_is_remembered(self) -> None:
        source = Markov.fit(worlds.chain().log)
        assert scored(source.candidates(query(3, 9, 17), 9)) == scored(source.candidates(query(17), 9))

    def test_of_equally_many_steps_the_lower_index_comes_first(self) -> None:
        found = Markov.fit(World(4, ((0, 3), (0, 1), (0, 2))).log).candidates(query(0), 10)
        assert found.ids.tolist() == [1, 2, 3]

    @given(HISTORIES, st.integers(0, 5))
    def test_scores_are_the_shares_of_the_steps_that_leave_an_item(self, past: list[list[int]], last: int) -> None:
        # given
        steps = Counter(after for row in past for before, after in pairwise(row) if before == last)

        # when
        found = Markov.fit(World(6, tuple(map(tuple, past))).log).candidates(query(1, last), 100)

        # then
        assert scored(found) == pytest.approx({item: n / steps.total() for item, n in steps.items()}, rel=1e-3)
