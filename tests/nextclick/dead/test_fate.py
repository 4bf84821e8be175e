"""Laws of saying what became of an event: as the fold has it, and never before it has."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from nextclick.dead.fate import Fate, foresee, seen
from schemas.click import Click
from schemas.session import LATE_MS, Outcome, Position, Record, State, fold
from schemas.wire import EpochMs
from tests.kit.stores import click, erase
from tests.worlds.histories import START_MS, history

AFTERWARDS = {
    Outcome.APPLIED: Fate.FOLDED,
    Outcome.CLAMPED: Fate.FOLDED,
    Outcome.UNCHANGED: Fate.FOLDED,
    Outcome.DUPLICATE: Fate.DUPLICATE,
    Outcome.LATE: Fate.LATE,
    Outcome.FORGOTTEN: Fate.FORGOTTEN,
    Outcome.ERASED: Fate.ERASED,
}


def after(state: State, *records: Record) -> State:
    for record in records:
        state, _ = fold(state, record)
    return state


def late(sid: str, offset: int) -> Record:
    record = click(sid, offset, now=START_MS - LATE_MS - 1)
    return replace(record, record_time=START_MS)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_said_is_what_the_fold_did_and_nothing_is_said_before(seed: int) -> None:
    # given a session with a past, and an event of its kind that is sent to the end of its partition
    random = Random(seed)
    told: Counter[Fate] = Counter()
    for _ in range(20):
        past = history(random, "s1", 40)
        before = after(State(), *past)
        (event,) = random.choices(past)
        position = Position(event.position.epoch, event.position.partition, 10_000)
        record = Record(event.event, max(each.record_time for each in past) + random.choice((0, 60_000)), position)
        _, outcome = fold(before, record)

        # when
        (sent,) = foresee({"s1": before}, [record])

        # then
        told[AFTERWARDS[outcome]] += 1
        assert seen(sent, after(before, record)) is AFTERWARDS[outcome]
        if outcome is not Outcome.FORGOTTEN:  # which it is from the start
            assert seen(sent, before) is None
    assert sum(told.values()) == 20


def test_of_two_letters_with_one_event_id_the_second_is_a_duplicate() -> None:
    first = click("s1", 1)
    twin = replace(first, position=replace(first.position, offset=2))

    sent = foresee({"s1": State()}, [first, twin])

    assert [each.foreseen for each in sent] == [Fate.FOLDED, Fate.DUPLICATE]


def test_an_event_that_is_late_and_that_the_session_holds_is_a_duplicate_as_the_fold_has_it() -> None:
    held = after(State(), click("s1", 1))
    again = Record(click("s1", 1).event, START_MS + LATE_MS - 1, Position("0badcafe", 0, 9))
    older = late("s1", 10)

    sent = foresee({"s1": held}, [again, older])

    assert [each.foreseen for each in sent] == [Fate.DUPLICATE, Fate.LATE]


def test_a_session_that_is_erased_meanwhile_has_forgotten_the_event() -> None:
    record = click("s1", 5)
    (sent,) = foresee({"s1": State()}, [record])

    assert seen(sent, after(State(), record, erase("s1", 6))) is Fate.FORGOTTEN


def test_a_click_without_consent_erases_and_says_so() -> None:
    given = click("s1", 5)
    assert isinstance(given.event, Click)
    refused = Click(event_id="e", session_id="s1", type="view", ts=EpochMs(START_MS), item_id="i", consent=False)
    record = replace(given, event=refused)
    (sent,) = foresee({"s1": after(State(), click("s1", 4))}, [record])

    assert seen(sent, after(State(), click("s1", 4))) is None
    assert seen(sent, after(State(), click("s1", 4), record)) is Fate.ERASED
    returned = click("s1", 6, now=START_MS + 1)
    assert seen(sent, after(State(), click("s1", 4), record, returned)) is Fate.ERASED


def test_under_an_epoch_that_did_not_change_with_its_topic_an_event_is_stale() -> None:
    (sent,) = foresee({"s1": after(State(), click("s1", 9))}, [click("s1", 0)])
    assert sent.foreseen is Fate.STALE
