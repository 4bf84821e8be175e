"""Laws of the verdict: each kind of damage has its name, and none passes for another."""

from __future__ import annotations

from dataclasses import replace

from schemas import facts
from schemas.session import Session
from tests.kit.verdict import Verdict, judge


def hashed(version: int) -> dict[bytes, bytes]:
    return facts.encode(Session(started=1, seen=version, version=version))


EXPECTED = {"a": hashed(3), "b": hashed(5), "erased": {}}
LISTED = {"a": (1, 3), "b": (1, 5)}


def test_what_is_as_one_thread_would_have_it_is_whole() -> None:
    verdict = judge(EXPECTED, EXPECTED, LISTED, LISTED)

    assert verdict == Verdict(3, [], 0, 0, [], [])
    assert verdict.is_whole


def test_what_changed_too_little_is_lost_and_what_changed_too_much_is_doubled() -> None:
    verdict = judge(EXPECTED, {"a": hashed(1), "b": hashed(6), "erased": {}}, LISTED, LISTED)

    assert (verdict.differ, verdict.lost, verdict.doubled) == (["a", "b"], 2, 1)
    assert not verdict.is_whole


def test_a_session_that_should_be_gone_differs() -> None:
    assert judge(EXPECTED, {**EXPECTED, "erased": hashed(1)}, LISTED, LISTED).differ == ["erased"]


def test_a_list_of_an_older_state_is_none() -> None:
    verdict = judge(EXPECTED, EXPECTED, {"a": (1, 3), "b": (1, 4)}, {"b": (1, 5)})

    assert (verdict.unlisted, verdict.unpublished) == (["b"], ["a"])
    assert not verdict.is_whole


def test_a_profile_that_differs_is_damage_though_all_sessions_are_whole() -> None:
    assert not replace(judge(EXPECTED, EXPECTED, LISTED, LISTED), misremembered=["u"]).is_whole
