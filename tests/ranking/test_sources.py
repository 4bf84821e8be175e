"""What every source keeps to, and what each of them knows in worlds whose answers are known."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod

import numpy as np
import pytest

from serving.ranking import arrays
from serving.ranking.sessions import Sessions
from serving.ranking.sources.covisitation import Covisitation
from serving.ranking.sources.popular import Popular
from serving.ranking.sources.session_items import SessionItems
from serving.ranking.sources.source import Source
from tests import worlds
from tests.worlds import World

WORLDS = (worlds.chain(), worlds.checkerboard(), World(3, ()), World(0, ()))


class SourceLaws(ABC):
    """The laws of a source. Each source supplies only its kind."""

    @abstractmethod
    def kind(self) -> type[Source]: ...

    @pytest.mark.parametrize("world", WORLDS, ids=("chain", "checkerboard", "no past", "no items"))
    @pytest.mark.parametrize("length", [0, 1, 3, 50])
    def test_candidates_come_once_and_best_first(self, world: World, length: int) -> None:
        # given
        source = self.kind().fit(world.sessions)
        session = random.Random(length).choices(range(world.items), k=length) if world.items else []

        # when
        found = source.candidates(session, 20)

        # then
        ids, scores = found.ids.tolist(), found.scores.tolist()
        assert len(ids) == len(scores) == len(found.because) <= 20
        assert len(set(ids)) == len(ids)
        assert set(ids) <= set(range(world.items))
        assert set(found.because.tolist()) <= {-1, *session}
        assert scores == sorted(scores, reverse=True)
        assert np.isfinite(found.scores).all()

    @pytest.mark.parametrize("limit", [1, 5, 1000])
    def test_a_smaller_limit_cuts_the_end_off(self, limit: int) -> None:
        source = self.kind().fit(worlds.chain().sessions)
        assert source.candidates([5, 9], limit).ids.tolist() == source.candidates([5, 9], 10_000).ids.tolist()[:limit]

    def test_its_arrays_hold_all_it_knows(self) -> None:
        # given
        world = worlds.checkerboard()
        source = self.kind().fit(world.sessions)

        # when
        packed = {name: arrays.encode(array) for name, array in source.arrays().items()}
        read = self.kind().read({name: arrays.decode(data) for name, data in packed.items()}, world.items)

        # then
        for session in ([], [1], [2, 4, 2, 8]):
            before, after = source.candidates(session, 50), read.candidates(session, 50)
            assert before.ids.tolist() == after.ids.tolist()
            assert before.scores.tolist() == after.scores.tolist()
            assert before.because.tolist() == after.because.tolist()

    def test_the_same_past_gives_the_same_arrays(self) -> None:
        first, second = (self.kind().fit(worlds.chain().sessions).arrays() for _ in range(2))
        assert {name: arrays.encode(array) for name, array in first.items()} == {
            name: arrays.encode(array) for name, array in second.items()
        }


class TestSessionItems(SourceLaws):
    def kind(self) -> type[Source]:
        return SessionItems

    def test_the_latest_item_comes_first(self) -> None:
        assert SessionItems().candidates([3, 1, 3, 2], 10).ids.tolist() == [2, 3, 1]


class TestPopular(SourceLaws):
    def kind(self) -> type[Source]:
        return Popular

    def test_what_everybody_buys_comes_first(self) -> None:
        assert Popular.fit(worlds.chain().sessions).candidates([], 1).ids.tolist() == [0]

    def test_a_click_counts_half_after_its_half_life(self) -> None:
        # given: item 0 had three clicks two half-lives ago, item 1 one click at the end
        times = np.array([0, 0, 0, 2000], dtype=np.int64)
        past = Sessions(np.array([0, 0, 0, 1], dtype=np.int32), times, np.array([0, 4], dtype=np.int64), 2)

        # when
        found = Popular.fit(past, half_life_ms=1000).candidates([], 2)

        # then
        assert found.ids.tolist() == [1, 0]
        assert found.scores.tolist() == [1.0, 0.75]


class TestCovisitation(SourceLaws):
    def kind(self) -> type[Source]:
        return Covisitation

    @pytest.mark.parametrize("item", range(5, 35))
    def test_the_next_on_the_shelf_is_the_nearest(self, item: int) -> None:
        found = Covisitation.fit(worlds.chain().sessions).candidates([item], 1)
        assert found.ids.tolist() == [item + 1]

    def test_no_neighbour_crosses_colours(self) -> None:
        source = Covisitation.fit(worlds.checkerboard().sessions)
        for item in range(20):
            found = source.candidates([item], 100)
            assert {other % 2 for other in found.ids.tolist()} == {item % 2}
            assert len(found.ids) == 9

    def test_nothing_is_its_own_neighbour(self) -> None:
        source = Covisitation.fit(Sessions.listed([[1, 1, 1, 2, 1]], 3))
        assert source.candidates([1], 10).ids.tolist() == [2]

    def test_pairs_end_with_their_session(self) -> None:
        source = Covisitation.fit(Sessions.listed([[0, 1], [2, 3]], 4))
        assert source.candidates([1], 10).ids.tolist() == [0]

    def test_the_latest_item_says_most(self) -> None:
        # given: 2 stands with 0 as 3 does with 1
        source = Covisitation.fit(Sessions.listed([[0, 2], [1, 3]], 4))

        # when
        found = source.candidates([0, 1], 10)

        # then
        assert found.ids.tolist() == [3, 2]
        assert found.because.tolist() == [1, 0]

    @pytest.mark.parametrize("block", [1, 3, 7, 1000])
    def test_how_many_events_are_counted_at_once_changes_nothing(
        self, block: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # given
        world = worlds.checkerboard()
        whole = Covisitation.fit(world.sessions).arrays()

        # when
        monkeypatch.setattr("serving.ranking.sources.covisitation._BLOCK_EVENTS", block)
        blocks = Covisitation.fit(world.sessions).arrays()

        # then
        assert all(whole[name].tolist() == blocks[name].tolist() for name in whole)

    def test_it_counts_as_a_plain_loop_would(self) -> None:
        # given
        world = worlds.checkerboard()
        counts: dict[tuple[int, int], float] = {}
        for items in world.past:
            for at, left in enumerate(items):
                for distance, right in enumerate(items[at + 1 :], start=1):
                    if left != right:
                        counts[left, right] = counts.get((left, right), 0) + 1 / distance
                        counts[right, left] = counts.get((right, left), 0) + 0.7 / distance
        touched = [sum(items.count(item) for items in world.past) + 10 for item in range(world.items)]

        # when
        source = Covisitation.fit(world.sessions)

        # then
        for item in range(world.items):
            found = source.candidates([item], 100)
            for other, score in zip(found.ids.tolist(), found.scores.tolist(), strict=True):
                expected = counts[item, other] / (touched[item] * touched[other]) ** 0.5
                assert score == pytest.approx(expected, rel=1e-3)
