"""Laws of when a worker counts as stuck."""

from __future__ import annotations

from collections.abc import Iterable

from stream.progress import Heard, Lane
from stream.stall import LONGEST_STEP_S, Look, Watch, judge

LIMIT_S = 30


def lane(partition: int, lag: int | None, moved_at: int) -> Lane:
    return Lane(partition, 0, moved_at, None, None, Heard(), lag, 0.0)


def judged(looks: Iterable[Look]) -> list[str | None]:
    watch, verdicts = Watch(0.0), []
    for look in looks:
        watch, verdict = judge(watch, look, LIMIT_S)
        verdicts.append(verdict)
    return verdicts


def every_second(count: int, *lanes: Lane, after: int = 0, excuse: str | None = None) -> list[Look]:
    return [Look(after + second, lanes, excuse) for second in range(1, count + 1)]


def test_records_that_wait_while_nothing_is_acknowledged_are_a_standstill() -> None:
    verdicts = judged(every_second(40, lane(3, 120, 0)))

    assert verdicts[:30] == [None] * 30, "the first look has nothing to compare with"
    assert verdicts[30] == "records wait on partitions 3 (120), and none of them was acknowledged for 30 s"


def test_that_others_go_on_does_not_help_the_one_that_is_stuck() -> None:
    looks = [Look(second, (lane(0, 50, second), lane(1, 1, 0)), None) for second in range(1, 32)]

    *before, last = judged(looks)

    assert not any(before)
    assert last is not None
    assert "partitions 1 (1)," in last


def test_one_acknowledgement_starts_the_clock_anew() -> None:
    looks = every_second(29, lane(0, 50, 0)) + every_second(30, lane(0, 49, 29), after=29)

    assert not any(judged(looks))


def test_where_nothing_waits_nothing_need_move() -> None:
    assert not any(judged(every_second(300, lane(0, 0, 0))))
    looks = every_second(29, lane(0, 1, 0)) + every_second(1, lane(0, 0, 0), after=29)
    assert not any(judged(looks + every_second(30, lane(0, 1, 0), after=30)))


def test_a_partition_whose_lag_nobody_can_tell_may_not_stay_so() -> None:
    *_, last = judged(every_second(31, lane(0, None, 0)))

    assert last is not None
    assert "0 (unknown)" in last


def test_an_excuse_stops_the_clock_and_does_not_turn_it_back() -> None:
    looks = every_second(20, lane(0, 5, 0))
    looks += every_second(45, lane(0, 5, 0), after=20, excuse="folding")
    looks += every_second(11, lane(0, 5, 0), after=65)

    verdicts = judged(looks)

    assert not any(verdicts[:-1])
    assert verdicts[-1] is not None


def test_a_partition_that_comes_back_is_judged_from_its_assignment_on() -> None:
    looks = every_second(25, lane(0, 5, 0))
    looks += [Look(26, None)]
    looks += every_second(29, lane(0, 5, 0), after=26)

    assert not any(judged(looks))


def test_time_in_which_we_did_not_run_ourselves_is_not_held_against_the_worker() -> None:
    looks = [Look(1, (lane(0, 5, 0),)), Look(1_000, (lane(0, 5, 0),))]

    assert LONGEST_STEP_S < LIMIT_S
    assert not any(judged(looks))


def test_a_worker_that_is_never_assigned_anything_gives_up_after_three_limits() -> None:
    looks = [Look(second, None) for second in range(1, 91)]

    *before, last = judged(looks)

    assert not any(before)
    assert last == "Kafka answers, but has not assigned partitions for 90 s"


def test_a_worker_that_stands_by_without_partitions_is_not_stuck() -> None:
    assert not any(judged(every_second(300)))
