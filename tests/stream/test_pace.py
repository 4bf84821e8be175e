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
        with pace.ranking(sessions), pace.making(sessions):
            clock.now_s += seconds
    return pace


def test_nobody_is_behind_before_anything_was_measured() -> None:
    assert not paced().is_behind(10_000)


def test_ranking_is_behind_when_the_last_who_waits_would_wait_for_more_than_a_second() -> None:
    pace = paced((32, 0.032))

    assert not pace.is_behind(900)
    assert pace.is_behind(1_100)


def test_ranking_gives_way_to_a_backlog_for_four_fifths_of_the_time() -> None:
    pace, clock = resting(0.1)

    clock.now_s += 0.39
    assert pace.gives_way
    clock.now_s += 0.02
    assert not pace.gives_way


def test_ranking_gives_way_no_longer_once_clicks_are_folded_as_they_come() -> None:
    pace, _ = resting(0.1)

    pace.folded(age_ms=20)

    assert not pace.gives_way


def test_ranking_gives_way_to_nobody_when_nothing_more_is_folded() -> None:
    pace, clock = resting(10.0)

    clock.now_s += 1.1

    assert not pace.gives_way


def resting(ranked_s: float) -> tuple[Pace, Clock]:
    """After a batch that took so long, and another of clicks that came a minute ago."""
    clock = Clock()
    pace = Pace(clock)
    with pace.ranking(32):
        clock.now_s += ranked_s
    pace.folded(age_ms=60_000)
    assert pace.gives_way
    return pace, clock


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
    assert not quick.is_short(128)
    assert not paced((1, 0.2)).is_short(1)


def test_lists_that_wait_for_a_slow_store_are_short_all_the_same() -> None:
    clock = Clock()
    pace = Pace(clock)
    with pace.ranking(1):
        with pace.making(1):
            clock.now_s += 0.001
        clock.now_s += 10
    assert pace.is_short(32)
    assert pace.is_behind(1)
