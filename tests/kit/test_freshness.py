"""Laws of reading waits off the topics."""

from __future__ import annotations

from math import inf

import msgspec

from tests.kit.freshness import Answer, answers, by_time, percentile
from tests.kit.topic import Raw


def click(session: str, offset: int, at: int) -> Raw:
    return Raw(session.encode(), b"{}", (), 2, offset, at)


def told(session: str, offset: int, at: int) -> Raw:
    body = msgspec.json.encode({"trigger": {"partition": 2, "offset": offset}})
    return Raw(session.encode(), body, (), 0, 0, at)


def test_a_list_answers_every_click_of_its_session_up_to_its_trigger() -> None:
    clicks = [click("a", 1, 100), click("b", 2, 110), click("a", 3, 120), click("a", 4, 130)]

    found = list(answers(clicks, [told("a", 3, 150), told("a", 3, 160)]))

    assert found == [Answer("a", 100, 50), Answer("a", 120, 30), Answer("a", 130, inf), Answer("b", 110, inf)]


def test_a_list_taken_back_answers_nothing() -> None:
    assert list(answers([click("a", 1, 100)], [Raw(b"a", None, (), 0, 0, 150)])) == [Answer("a", 100, inf)]


def test_percentiles_are_of_clicks_that_waited_and_the_last_is_the_longest() -> None:
    found = [Answer("a", 0, wait) for wait in (5, 1, 4, 2, 3)]

    assert [percentile(found, percent) for percent in (20, 50, 100)] == [1, 3, 5]


def test_spans_count_from_the_first_click() -> None:
    found = [Answer("a", at, 1) for at in (16_000, 10_000, 14_999)]

    assert {second: len(span) for second, span in by_time(found, 5).items()} == {0: 2, 5: 1}
