"""What everybody touches, and what more and more do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from serving.ranking import leaders
from serving.ranking.past import Past
from serving.ranking.sessions import Sessions
from serving.ranking.sources.popular import Popular
from serving.ranking.sources.source import NOBODY, Source
from serving.ranking.sources.trending import Trending
from tests import worlds
from tests.ranking.sources.laws import SourceLaws, query, scored
from tests.worlds import World


def timed(items: list[int], times: list[int]) -> Past:
    """One session."""
    sessions = replace(Sessions.listed([items], 3), times=np.array(times, dtype=np.int64))
    return Past(sessions, World(3, ()).table)


class TestPopular(SourceLaws):
    def kind(self) -> type[Source]:
        return Popular

    def test_what_everybody_buys_comes_first(self) -> None:
        assert Popular.fit(worlds.chain().log).candidates(query(), 1).ids.tolist() == [0]

    def test_a_click_counts_half_after_its_half_life(self) -> None:
        # given: item 0 had three clicks two half-lives ago, item 1 one click at the end
        past = timed([0, 0, 0, 1], [0, 0, 0, 2000])

        # when
        found = Popular.fit(past, half_life_ms=1000).candidates(query(), 2)

        # then: 3/4 of a click and 1, of 1 3/4
        assert found.ids.tolist() == [1, 0]
        assert found.scores.tolist() == pytest.approx([4 / 7, 3 / 7])

    def test_without_fading_all_clicks_count_alike(self) -> None:
        past = timed([0, 0, 0, 1], [0, 0, 0, 2000])
        assert scored(Popular.fit(past, half_life_ms=float("inf")).candidates(query(), 2)) == {0: 0.75, 1: 0.25}

    def test_what_nobody_touched_comes_last_and_still_comes(self) -> None:
        found = Popular.fit(timed([2, 2], [0, 0])).candidates(query(), 10)
        assert found.ids.tolist() == [2, 0, 1]
        assert set(found.because.tolist()) == {NOBODY}

    def test_a_log_of_one_moment_has_no_span_and_no_trouble(self) -> None:
        assert scored(Popular.fit(timed([1, 2, 2], [5, 5, 5])).candidates(query(), 1)) == {2: pytest.approx(2 / 3)}

    def test_of_a_great_catalogue_only_the_first_are_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leaders, "MOST", 5)
        assert len(Popular.fit(worlds.chain().log).arrays()["ids"]) == 5

    def test_a_list_out_of_order_or_with_an_item_twice_is_refused(self) -> None:
        whole = Popular.fit(worlds.chain().log).arrays()
        with pytest.raises(ValueError, match="`scores`"):
            Popular.read({**whole, "scores": whole["scores"][::-1]}, 40)
        with pytest.raises(ValueError, match="`ids`"):
            Popular.read({**whole, "ids": np.zeros_like(whole["ids"])}, 40)


class TestTrending(SourceLaws):
    def kind(self) -> type[Source]:
        return Trending

    def test_what_rises_leads_and_what_falls_is_not_there(self) -> None:
        # given: the upper half came into fashion; item 0 has its half of all clicks throughout
        world = worlds.fashion()

        # when
        found = Trending.fit(world.log).candidates(query(), 100)

        # then
        assert set(found.ids.tolist()) == set(range(10, 20))

    def test_the_rise_is_the_late_share_less_the_long_one(self) -> None:
        # given: of late, 2 with 1 click and 0 with 1/4; over all, 1/2 each
        past = timed([0, 2], [0, 2000])

        # when
        found = Trending.fit(past, half_life_ms=1000).candidates(query(), 10)

        # then
        assert scored(found) == {2: pytest.approx(0.8 - 0.5)}
