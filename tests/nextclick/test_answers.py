"""Which click was answered when, whatever order the news comes in."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isnan
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextclick.answers import MEMORY_S, PATIENCE_S, Answers, percentile
from schemas.recommendation import Item, Model, Reason, Recommendation, TriggeredBy, encode


def body(session_id: str, offset: int, version: int, items: int = 1) -> bytes:
    return encode(
        Recommendation(
            recommendation_id="r",
            session_id=session_id,
            session_started=1,
            session_version=version,
            generated_at=0,
            trigger=TriggeredBy("e", 0, 0, "clickstream", "epoch", 0, offset),
            model=Model("v", "c"),
            items=tuple(Item(f"i{rank}", rank, 1.0, "popular", Reason("popular")) for rank in range(1, items + 1)),
        )
    )


@pytest.fixture
def answers() -> Answers:
    return Answers()


def test_a_click_is_answered_by_the_list_it_triggered(answers: Answers) -> None:
    answers.sent("s", due=1.0)
    answers.placed("s", offset=5, due=1.0)
    answers.received(body("s", 5, 1), now=1.25)
    assert (answers.answered, answers.latency_s(0.5, now=2.0)) == (1, 0.25)


def test_a_list_may_be_quicker_than_kafkas_word_on_where_its_click_lies(answers: Answers) -> None:
    answers.sent("s", due=1.0)
    answers.received(body("s", 5, 1), now=1.25)
    answers.placed("s", offset=5, due=1.0)
    assert (answers.answered, answers.latency_s(0.5, now=2.0)) == (1, 0.25)


def test_one_list_answers_every_click_up_to_its_trigger(answers: Answers) -> None:
    for offset in (5, 6, 9):
        answers.sent("s", due=offset)
        answers.placed("s", offset, due=offset)
    answers.received(body("s", 6, 2), now=10.0)
    assert (answers.answered, answers.waiting) == (2, 1)


def test_a_list_of_another_session_answers_nothing(answers: Answers) -> None:
    answers.sent("s", due=1.0)
    answers.sent("other", due=1.0)
    answers.placed("s", 5, due=1.0)
    answers.received(body("other", 6, 1), now=1.25)
    assert (answers.answered, answers.waiting) == (0, 1)


def test_a_click_without_an_answer_is_infinitely_late_once_patience_is_over(answers: Answers) -> None:
    answers.sent("s", due=1.0)
    answers.placed("s", 5, due=1.0)
    assert isnan(answers.latency_s(0.5, now=1.0 + PATIENCE_S))
    assert answers.latency_s(0.5, now=1.1 + PATIENCE_S) == inf
    assert answers.unanswered(now=1.1 + PATIENCE_S) == 1


def test_a_click_that_was_only_to_ring_is_not_measured(answers: Answers) -> None:
    answers.known("s", 0.0)
    assert answers.received(body("s", 0, 1), now=60.0) is not None
    assert (answers.clicks, answers.answered) == (0, 0)


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        (b"{}", "cannot be read"),
        (b"\xff", "cannot be read"),
        (body("stranger", 5, 2), "who never clicked"),
        (body("s", 5, 2, items=0), "empty list"),
        (body("s", 4, 1), "no newer"),
    ],
)
def test_a_list_that_no_subscriber_should_get_is_a_fault_and_no_answer(
    answers: Answers, what: bytes, fault: str
) -> None:
    # given
    answers.sent("s", due=1.0)
    answers.received(body("s", 4, 1), now=1.0)
    answers.sent("s", due=1.0)
    answers.placed("s", 5, due=1.0)

    # when
    assert answers.received(what, now=2.0) is None

    # then
    assert (answers.faulty, answers.answered) == (1, 0)
    assert fault in answers.faults[0]


def test_a_session_long_over_is_forgotten_and_its_open_clicks_stay_counted(answers: Answers) -> None:
    answers.sent("s", due=1.0)
    answers.placed("s", 5, due=1.0)
    answers.forget(now=1.5 + MEMORY_S)
    assert (answers.waiting, answers.unanswered(now=2.0 + MEMORY_S)) == (0, 1)


@dataclass
class News:
    """One thing that is learned about a session: a list, or where a click lies."""

    is_list: bool
    offset: int


@given(st.lists(st.booleans(), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_whatever_order_the_news_comes_in_each_click_at_or_below_the_last_list_is_answered_once(
    kinds: list[bool], chance: Random
) -> None:
    # given clicks at offsets 0, 1, 2, ... of which some trigger lists, and two threads that bring the news
    clicks = [News(False, offset) for offset in range(len(kinds))]
    lists = [News(True, offset) for offset, triggers in enumerate(kinds) if triggers]
    news: list[News] = []
    while clicks or lists:
        source = chance.choice([each for each in (clicks, lists) if each])
        news.append(source.pop(0))

    # when
    answers = Answers()
    for _ in kinds:
        answers.sent("s", 0.0)
    for each in news:
        if each.is_list:
            answers.received(body("s", each.offset, each.offset + 1), now=1.0)
        else:
            answers.placed("s", each.offset, 0.0)

    # then
    last = max((offset for offset, triggers in enumerate(kinds) if triggers), default=-1)
    assert answers.answered == last + 1
    assert answers.waiting == len(kinds) - last - 1


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [([3.0], 0.5, 3.0), ([1.0, 2.0], 0.5, 1.0), ([4.0, 1.0, 3.0, 2.0], 0.75, 3.0), ([*range(1, 101)], 0.99, 99)],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], share: float, found: float) -> None:
    assert percentile(values, share) == found
