"""Items that the same sessions hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.ranking.sources.item_cf import ItemCf
from serving.ranking.sources.source import Source
from tests import worlds
from tests.ranking.sources.laws import SourceLaws, query, scored
from tests.ranking.sources.plain import HISTORIES, Scores, in_half, latest
from tests.worlds import World


class TestItemCf(SourceLaws):
    def kind(self) -> type[Source]:
        return ItemCf

    def test_no_neighbour_crosses_colours_and_nobody_is_his_own(self) -> None:
        source = ItemCf.fit(worlds.checkerboard().log)
        for item in range(20):
            found = source.candidates(query(item), 100).ids.tolist()
            assert set(found) == {other for other in range(20) if other % 2 == item % 2 and other != item}

    def test_the_score_is_the_cosine_of_the_sessions_that_hold_them(self) -> None:
        # given: 0 is in four sessions and 1 in one, which holds 0 twice
        source = ItemCf.fit(World(2, ((0, 1, 0), (0,), (0,), (0,))).log, shrink=0)

        # when
        found = source.candidates(query(0), 10)

        # then
        assert scored(found) == {1: 0.5}

    @given(HISTORIES, st.lists(st.integers(0, 5), max_size=12))
    def test_it_counts_as_a_plain_loop_would(self, past: list[list[int]], session: list[int]) -> None:
        world = World(6, tuple(map(tuple, past)))
        found = ItemCf.fit(world.log, shrink=3).candidates(query(*session), 100)
        assert scored(found) == pytest.approx(_plainly(past, session), rel=1e-4)


def _plainly(past: list[list[int]], session: list[int]) -> Scores:
    holders = [{number for number, row in enumerate(past) if item in row} for item in range(6)]
    scores: Scores = {}
    for position, voter in enumerate(latest(session)[:10], start=1):
        for other in range(6):
            both = len(holders[voter] & holders[other])
            if both and other != voter:
                near = both / ((len(holders[voter]) + 3) * (len(holders[other]) + 3)) ** 0.5
                scores[other] = scores.get(other, 0) + in_half(near) * position**-1.5
    return scores
