"""Items close together in sessions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.ranking.sources import covisitation
from serving.ranking.sources.covisitation import Covisitation
from serving.ranking.sources.source import Source
from tests import worlds
from tests.ranking.sources.laws import SourceLaws, query, scored
from tests.ranking.sources.plain import HISTORIES, Scores, ages, in_half, latest
from tests.worlds import World


class TestCovisitation(SourceLaws):
    def kind(self) -> type[Source]:
        return Covisitation

    @pytest.mark.parametrize("item", range(5, 35))
    def test_the_next_on_the_shelf_is_the_nearest(self, item: int) -> None:
        found = Covisitation.fit(worlds.chain().log).candidates(query(item), 1)
        assert found.ids.tolist() == [item + 1]

    def test_no_neighbour_crosses_colours(self) -> None:
        source = Covisitation.fit(worlds.checkerboard().log)
        for item in range(20):
            assert {other % 2 for other in source.candidates(query(item), 100).ids.tolist()} == {item % 2}

    def test_an_item_is_its_own_neighbour_where_sessions_come_back_to_it(self) -> None:
        assert 1 in scored(Covisitation.fit(World(3, ((1, 2, 1),)).log).candidates(query(1), 10))
        assert 1 not in scored(Covisitation.fit(World(3, ((1, 2),)).log).candidates(query(1), 10))

    def test_pairs_end_with_their_session(self) -> None:
        source = Covisitation.fit(World(4, ((0, 1), (2, 3))).log)
        assert source.candidates(query(1), 10).ids.tolist() == [0]

    def test_the_latest_item_says_most(self) -> None:
        # given: 2 stands with 0 as 3 does with 1
        source = Covisitation.fit(World(4, ((0, 2), (1, 3))).log, half_life_share=float("inf"))

        # when
        found = source.candidates(query(0, 1), 10)

        # then
        assert found.ids.tolist() == [3, 2]
        assert found.because.tolist() == [1, 0]

    def test_a_pair_of_late_counts_more_than_an_old_one(self) -> None:
        found = Covisitation.fit(World(3, ((0, 1), (0, 2))).log).candidates(query(0), 10)
        assert found.ids.tolist() == [2, 1]

    @given(HISTORIES, st.lists(st.integers(0, 5), max_size=12))
    def test_it_counts_as_a_plain_loop_would(self, past: list[list[int]], session: list[int]) -> None:
        world = World(6, tuple(map(tuple, past)))
        found = Covisitation.fit(world.log).candidates(query(*session), 100)
        assert scored(found) == pytest.approx(_plainly(past, session), rel=2e-3, abs=1e-6)


def _plainly(past: list[list[int]], session: list[int]) -> Scores:
    aged = ages(past, covisitation.HALF_LIFE_SHARE)
    events = [weight for row in aged for weight in row]
    touched = np.full(6, covisitation.SHRINK * (sum(events) / len(events) if events else 1))
    for items, weights in zip(past, aged, strict=True):
        for item, weight in zip(items, weights, strict=True):
            touched[item] += weight
    scores: Scores = {}
    for position, voter in enumerate(latest(session)[:10], start=1):
        counts: Scores = {}
        for items, weights in zip(past, aged, strict=True):
            for at, item in enumerate(items):
                for to, other in enumerate(items):
                    if item == voter and at != to and abs(to - at) <= covisitation.WINDOW:
                        worth = weights[at] / abs(to - at) * (1 if to > at else covisitation.BACKWARD)
                        counts[other] = counts.get(other, 0) + worth
        for other, count in counts.items():
            near = in_half(count * touched[voter] ** -covisitation.VOTER * touched[other] ** -covisitation.CANDIDATE)
            scores[other] = scores.get(other, 0) + near * position**-1.5
    return scores
