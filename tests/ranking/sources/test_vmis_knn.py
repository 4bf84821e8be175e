"""VMIS-kNN, as its paper has it."""

from __future__ import annotations

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.ranking.sources import vmis_knn
from serving.ranking.sources.source import Source
from serving.ranking.sources.vmis_knn import VmisKnn
from tests.ranking.sources.laws import SourceLaws, query, scored
from tests.ranking.sources.plain import HISTORIES, Scores, latest
from tests.worlds import World


class TestVmisKnn(SourceLaws):
    def kind(self) -> type[Source]:
        return VmisKnn

    def test_a_candidate_scores_by_likeness_lateness_and_rarity(self) -> None:
        # given
        source = VmisKnn.fit(World(5, ((0, 1, 2), (1, 3), (4,))).log)

        # when
        found = source.candidates(query(0, 1), 10)

        # then: the first session shares both items, so 2/2 + 1/2; in both the last item is shared, so 1 - .1
        assert scored(found) == pytest.approx(
            {
                0: 1.5 * 0.9 * log(3),
                1: (1.5 + 1) * 0.9 * log(3 / 2),
                2: 1.5 * 0.9 * log(3),
                3: 1 * 0.9 * log(3),
            }
        )

    def test_an_item_shared_ten_places_back_says_nothing(self) -> None:
        source = VmisKnn.fit(World(5, ((0, 1), (2, 3))).log)
        assert set(scored(source.candidates(query(0, *[2] * 9), 10))) == {2, 3}
        assert set(scored(source.candidates(query(0, *[2] * 8), 10))) == {0, 1, 2, 3}

    def test_only_the_most_recent_sessions_have_a_say(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # given: two of each item are kept, so of those that share either of these, all four
        monkeypatch.setattr(vmis_knn, "SESSIONS", 2)
        source = VmisKnn.fit(World(9, ((0, 1), (0, 2), (0, 3), (4, 5), (4, 6))).log)

        # when
        found = source.candidates(query(0), 10)

        # then
        assert set(found.ids.tolist()) == {0, 2, 3}

    @given(HISTORIES, st.lists(st.integers(0, 5), max_size=14))
    def test_it_counts_as_a_plain_loop_would(self, past: list[list[int]], session: list[int]) -> None:
        world = World(6, tuple(map(tuple, past)))
        found = VmisKnn.fit(world.log).candidates(query(*session), 100)
        assert scored(found) == pytest.approx(_plainly(past, session), rel=1e-5, abs=1e-9)


def _plainly(past: list[list[int]], session: list[int]) -> Scores:
    voters = latest(session)
    back = {voter: session[::-1].index(voter) for voter in voters}
    scores: Scores = {}
    for row in map(set, past):
        shared = [voter for voter in voters if voter in row]
        if not shared:
            continue
        alike = sum((len(session) - back[voter]) / len(voters) for voter in shared)
        lateness = max(0, 1 - vmis_knn.DECAY * (back[shared[0]] + 1))
        for item in row:
            rarity = log(len(past) / sum(item in other for other in past))
            scores[item] = scores.get(item, 0) + alike * lateness * rarity
    return {item: score for item, score in scores.items() if score > 1e-9}
