"""The newest sessions, and who of them visited an item."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.ranking import recent
from serving.ranking.recent import Recent, meet, newest
from serving.ranking.sessions import Sessions

HISTORIES = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=6), max_size=12)


def listed(sessions: Sessions) -> list[list[int]]:
    return [sessions.of(session) for session in range(len(sessions))]


def test_what_is_kept_is_the_newest_that_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "EVENTS_MAX", 5)
    assert listed(newest(Sessions.listed([[0, 1], [2], [1, 2], [0, 0]], 3))) == [[2], [1, 2], [0, 0]]


def test_of_a_long_session_the_end_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "LENGTH_MAX", 3)
    monkeypatch.setattr(recent, "EVENTS_MAX", 4)
    assert listed(newest(Sessions.listed([[9], [1], [0, 1, 2, 3, 4]], 10))) == [[1], [2, 3, 4]]


def test_a_place_fits_its_array() -> None:
    assert np.iinfo(np.uint8).max >= recent.LENGTH_MAX - 1


@given(HISTORIES, st.integers(1, 4))
def test_an_item_knows_its_newest_visitors_and_where_they_had_it_last(past: list[list[int]], most: int) -> None:
    found = Recent.make(Sessions.listed(past, 5), most)
    for item in range(5):
        part = slice(found.visit_starts[item], found.visit_starts[item + 1])
        visitors = [session for session, items in enumerate(past) if item in items][::-1][:most]
        assert found.visitors[part].tolist() == visitors
        assert found.places[part].tolist() == [len(past[s]) - 1 - past[s][::-1].index(item) for s in visitors]


@given(HISTORIES, st.lists(st.integers(0, 4), unique=True))
def test_sessions_are_met_by_all_they_share(past: list[list[int]], voters: list[int]) -> None:
    # given
    kept = Recent.make(Sessions.listed(past, 5), 100)
    weights = np.exp2(-np.arange(len(voters), dtype=np.float64))

    # when
    _, sessions, shared, visits, firsts = meet(
        kept.visit_starts, kept.visitors, np.array(voters, dtype=np.int32), weights
    )

    # then
    expected = {
        session: sum(weight for voter, weight in zip(voters, weights, strict=True) if voter in items)
        for session, items in enumerate(past)
        if set(items) & set(voters)
    }
    assert dict(zip(sessions.tolist(), shared.tolist(), strict=True)) == expected
    for session, visit, first in zip(sessions.tolist(), visits.tolist(), firsts.tolist(), strict=True):
        assert kept.visitors[visit] == session
        assert voters[first] == next(voter for voter in voters if voter in past[session])
