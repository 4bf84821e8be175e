"""Laws of holes and losses: nothing is folded past a record that is missing."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from schemas.errors import InvariantError
from serving.state.patience import Patience
from stream.course import Course, Gap, Jump, judge
from stream.intake import Delivery
from stream.metrics import Metrics
from tests.kit.memory_log import MemoryLog

T0 = 1_700_000_000_000


def delivery(offset: int, generation: int = 1, partition: int = 0) -> Delivery:
    return Delivery(b"k", b"v", (), partition, offset, T0, lambda: None, generation)


class Play:
    """A course along a log that holds these offsets, from `start` on."""

    def __init__(self, *offsets: int, start: int = 0) -> None:
        self.log = MemoryLog({0: dict.fromkeys(offsets, T0)})
        self.metrics = Metrics(CollectorRegistry())
        patience = Patience(45, lambda: 0.0, asyncio.sleep)
        self.course = Course(self.log, self.log.same_topic, patience, self.metrics)
        self.course.begin(1, {0: start})

    def follow(self, *taken: int, generation: int = 1) -> list[int]:
        batch = asyncio.run(self.course.follow([delivery(offset, generation) for offset in taken]))
        return [each.offset for each in batch]

    def counted(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"nextclick_{name}_total")


def test_records_in_their_order_are_followed_without_asking_anybody() -> None:
    play = Play(*range(10))

    assert play.follow(0, 1, 2) == [0, 1, 2]
    assert play.follow(3, 4) == [3, 4]
    assert play.log.asked == 0


def test_offsets_at_which_kafka_holds_nothing_are_holes() -> None:
    play = Play(0, 2, 4, 9)

    assert play.follow(0, 2, 4, 9) == [0, 2, 4, 9]
    assert (play.counted("offset_holes"), play.counted("lost_records")) == (6, 0)


def test_a_record_that_was_stepped_over_ends_the_worker_and_both_are_named() -> None:
    play = Play(*range(10))

    with pytest.raises(InvariantError, match=r"partition 0: offset 1 was expected, 5 was delivered.*holds.* at 1;"):
        play.follow(0, 5)


def test_a_record_behind_a_hole_is_missed_too() -> None:
    play = Play(0, 3, 5)

    with pytest.raises(InvariantError, match="offset 1 was expected, 5 was delivered, and Kafka holds a record at 3"):
        play.follow(0, 5)


def test_the_first_record_of_an_assignment_is_no_exception() -> None:
    play = Play(*range(10), start=4)

    with pytest.raises(InvariantError, match="offset 4 was expected, 6 was delivered"):
        play.follow(6)


def test_what_kafka_deleted_before_it_was_read_is_lost_and_the_rest_goes_on() -> None:
    play = Play(*range(20))
    play.follow(0, 1)
    play.log.delete(0, before=12)

    assert play.follow(12, 13) == [12, 13]
    assert (play.counted("offset_holes"), play.counted("lost_records")) == (0, 10)


def test_a_loss_may_be_followed_by_a_hole() -> None:
    play = Play(0, 1, 2, 9)
    play.log.delete(0, before=5)

    assert play.follow(9) == [9]
    assert (play.counted("offset_holes"), play.counted("lost_records")) == (4, 5)


def test_a_record_that_was_deleted_while_it_was_in_hand_is_followed() -> None:
    play = Play(0, 1, 2, 3, 9)
    play.log.delete(0, before=9)

    assert play.follow(3) == [3]
    assert play.counted("lost_records") == 3, "whether 0 to 2 held anything, nobody can know any more"


def test_records_delivered_again_are_followed_from_where_they_begin() -> None:
    play = Play(*range(10))

    assert play.follow(0, 1, 2, 3, 1, 2, 3, 4) == [0, 1, 2, 3, 1, 2, 3, 4]
    with pytest.raises(InvariantError):
        play.follow(6)


def test_a_step_back_in_a_topic_that_was_made_anew_ends_the_worker() -> None:
    play = Play(*range(10))
    play.follow(0, 1, 2)
    play.log.is_another = True

    with pytest.raises(InvariantError, match="made anew"):
        play.follow(0)


def test_what_an_earlier_generation_left_behind_is_not_followed() -> None:
    play = Play(*range(10))
    play.follow(0, 1)
    play.course.end()
    assert play.follow(2, 3) == []

    play.course.begin(2, {0: 1})

    assert play.follow(4, 5, generation=1) == []
    assert play.follow(1, 2, generation=2) == [1, 2]


def test_a_kafka_that_does_not_answer_is_asked_again() -> None:
    play = Play(0, 2)
    play.log.fails = 2

    assert play.follow(0, 2) == [0, 2]


@pytest.mark.parametrize(
    ("start", "following", "gap"),
    [(0, 9, Gap(4, 0)), (5, 9, Gap(4, 0)), (7, 9, Gap(2, 2)), (9, 9, Gap(0, 4)), (50, None, Gap(0, 4))],
)
def test_holes_and_losses_make_up_the_jump(start: int, following: int | None, gap: Gap) -> None:
    assert judge(Jump(0, expected=5, delivered=9), start, following) == gap
