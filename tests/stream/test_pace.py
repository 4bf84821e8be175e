"""Laws of the pace: when ranking is behind, and what is too short to be done elsewhere."""

from __future__ import annotations

from stream.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def paced(*batches: tuple[int, float]) -> Pace:
    """After batches of so many sessions that took so many seconds."""
    clock = Clock()
    pace = Pace(clock)
    for sessions, seconds in batches:
        with pace.ranking(sessions):
            clock.now_s += seconds
    return pace


def test_nobody_is_behind_before_anything_was_measured() -> None:
    assert not paced().is_behind(10_000)


def test_ranking_is_behind_when_the_last_who_waits_would_wait_for_more_than_a_second() -> None:
    pace = paced((32, 0.032))

    assert not pace.is_behind(900)
    assert pace.is_behind(1_100)


def test_the_pace_follows_what_batches_take_now_and_no_single_one() -> None:
    slower = paced((32, 0.032), (32, 0.32))
    assert slower.is_behind(500)
    assert not slower.is_behind(300)
    assert paced((32, 0.032), *[(32, 0.32)] * 20).is_behind(110)


def test_what_was_never_ranked_may_take_long() -> None:
    assert not paced().is_short(1)


def test_a_few_sessions_of_a_quick_ranker_are_short_and_many_or_those_of_a_slow_one_are_not() -> None:
    quick = paced((32, 0.032))
    assert quick.is_short(32)
    assert not quick.is_short(64)
    assert not paced((1, 0.1)).is_short(1)
