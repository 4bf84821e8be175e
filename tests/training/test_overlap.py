"""Nothing that was trained on is measured unasked."""

from __future__ import annotations

import pytest

from schemas.errors import DataError
from tests.worlds.shelf import ITEMS, Oracle, at, trained, unclocked, walk
from training.evaluate import Switches, evaluate
from training.field import Field
from training.overlap import alike, check


def test_a_log_that_begins_before_training_ended_is_refused() -> None:
    # given
    past = at(walk(0, 1), 0, 10_000)  # until 12 s

    # then
    check(at(walk(3), 12_001), past, 12_000)
    with pytest.raises(DataError, match=r"1 of 3 events .* --since 1970-01-01T00:00:12.001\+00:00, .*--allow-overlap"):
        check(at(walk(3), 12_000), past, 12_000)


def test_what_was_trained_on_is_measured_only_on_demand() -> None:
    past = at(walk(0), 0)
    field = Field(Oracle(), past, rows=("fusion",))
    assert evaluate(past, trained(past), field, Switches(allow_overlap=True), threads=1).predictions == 2
    with pytest.raises(DataError, match="overlap"):
        evaluate(past, trained(past), field, Switches(), threads=1)


def test_without_a_clock_sessions_are_compared_word_for_word() -> None:
    # given: 1 of 20, then 2 of 20
    begins = range(ITEMS)
    past = unclocked([*walk(*begins, length=4), [4, 4, 4, 4]])
    new = [[item, item, other, other] for item in range(4) for other in range(5, ITEMS)] + [
        [item] * 5 for item in begins
    ]

    # then
    check(unclocked([*new[:19], *walk(1, length=4)]), past, 0)
    with pytest.raises(
        DataError, match="10% of the test sessions of 4 events or more stand word for word in training, and 5% may"
    ):
        check(unclocked([*new[:18], *walk(1, length=4), [4, 4, 4, 4]]), past, 0)


def test_a_session_stands_in_training_only_as_a_whole() -> None:
    past = unclocked([[1, 2, 3, 4, 5], [4], [5, 6, 5, 7]])
    assert alike(unclocked([[1, 2, 3, 4]]), past) == 0
    assert alike(unclocked([[1, 2, 3, 4, 5, 6]]), past) == 0
    assert alike(unclocked([[2, 3, 4, 5], [5, 6, 7, 5]]), past) == 0
    assert alike(unclocked([[1, 2, 3, 4, 5], [6, 5, 5, 7]]), past) == 0.5


def test_short_sessions_are_alike_by_chance_and_no_evidence() -> None:
    short = unclocked([[1], [1, 2], [1, 2, 3]] * 9)
    check(short, short, 0)
    assert alike(unclocked([[1, 2], [1, 2, 3, 4]]), unclocked([[1, 2, 3, 4]])) == 1
