"""Past sessions like this one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.ranking.sources import session_knn
from serving.ranking.sources.session_knn import SessionKnn
from serving.ranking.sources.source import Source
from tests import worlds
from tests.ranking.sources.laws import SourceLaws, query, scored
from tests.ranking.sources.plain import HISTORIES, Scores, latest
from tests.worlds import World


class TestSessionKnn(SourceLaws):
    def kind(self) -> type[Source]:
        return SessionKnn

    @pytest.mark.parametrize("item", range(5, 35))
    def test_the_next_on_the_shelf_comes_first(self, item: int) -> None:
        found = SessionKnn.fit(worlds.chain().log).candidates(query(item - 1, item), 1)
        assert found.ids.tolist() == [item + 1]

    def test_no_neighbour_crosses_colours(self) -> None:
        source = SessionKnn.fit(worlds.checkerboard().log)
        for item in range(20):
            assert {other % 2 for other in source.candidates(query(item), 100).ids.tolist()} == {item % 2}

    def test_a_session_that_shares_more_says_more(self) -> None:
        # given: of two that hold the last item, one holds the one before it too
        source = SessionKnn.fit(World(6, ((0, 1, 2), (3, 1, 4), (5, 5))).log, half_life_share=float("inf"))

        # when
        found = source.candidates(query(0, 1), 10)

        # then
        assert scored(found)[2] > scored(found)[4]
        assert found.because.tolist()[found.ids.tolist().index(2)] == 1

    def test_a_newer_session_says_more(self) -> None:
        found = SessionKnn.fit(World(3, ((0, 1), (0, 2))).log).candidates(query(0), 10)
        assert found.ids.tolist() == [2, 1]

    def test_what_came_nearer_to_the_shared_item_says_more_and_what_came_after_it_most(self) -> None:
        found = SessionKnn.fit(World(6, ((1, 2, 0, 3, 4), (5,))).log, candidate=0).candidates(query(0), 10)
        assert found.ids.tolist() == [3, 2, 4, 1]

    def test_an_item_comes_again_as_often_as_items_of_this_shop_do(self) -> None:
        # given: 0 itself came again in one shop, and in the other nothing ever did
        again = SessionKnn.fit(World(3, ((0, 1), (2, 2), (0, 1))).log)
        never = SessionKnn.fit(World(3, ((0, 1), (2, 1), (0, 1))).log)

        # then
        assert 0 in scored(again.candidates(query(0), 10))
        assert 0 not in scored(never.candidates(query(0), 10))

    def test_only_the_newest_sessions_of_an_item_are_looked_through(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # given
        monkeypatch.setattr(session_knn, "VISITS", 2)

        # when
        source = SessionKnn.fit(World(5, ((0, 1), (0, 2), (0, 3))).log)

        # then
        assert set(source.candidates(query(0), 10).ids.tolist()) == {2, 3}

    @given(HISTORIES, st.lists(st.integers(0, 5), max_size=12))
    def test_it_counts_as_a_plain_loop_would(self, past: list[list[int]], session: list[int]) -> None:
        world = World(6, tuple(map(tuple, past)))
        found = SessionKnn.fit(world.log).candidates(query(*session), 100)
        assert scored(found) == pytest.approx(_plainly(past, session), rel=1e-4, abs=1e-9)


def _plainly(past: list[list[int]], session: list[int]) -> Scores:
    held = np.array([sum(row.count(item) for row in past) for item in range(6)]) + 1.0
    itself = session_knn.RETURNS * _returns(past)
    scores: Scores = {}
    voters = latest(session)[:10]
    for row, freshness in zip(past, _freshness(past), strict=True):
        shared = [(position, voter) for position, voter in enumerate(voters, start=1) if voter in row]
        alike = sum(
            position**-1.5 * np.log1p(len(past) / held[voter]) ** session_knn.RARITY for position, voter in shared
        )
        for _, voter in shared[:1]:
            match = len(row) - 1 - row[::-1].index(voter)
            for to, item in enumerate(row):
                near = 1 / (to - match) if to > match else session_knn.BACKWARD / (match - to) if to < match else itself
                scores[item] = scores.get(item, 0) + alike * freshness * near
    norms = (held / held.mean()) ** -session_knn.CANDIDATE
    return {item: score * norms[item] for item, score in scores.items() if score > 0}


def _returns(past: list[list[int]]) -> float:
    """How much an event is worth to those of its own item, before and after it."""
    total = 0.0
    for row in past:
        for at, item in enumerate(row):
            for to in range(at + 1, len(row)):
                total += (1 + session_knn.BACKWARD) / (to - at) if row[to] == item else 0
    return total / max(sum(map(len, past)), 1)


def _freshness(past: list[list[int]]) -> list[float]:
    """Sessions begin as many seconds apart as the earlier has events; half of all that time is a half-life."""
    begun = [sum(map(len, past[:at])) for at in range(len(past))]
    span = begun[-1] if begun else 0
    return [0.5 ** ((span - at) / (session_knn.HALF_LIFE_SHARE * span)) if span else 1 for at in begun]
