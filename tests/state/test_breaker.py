"""Laws of the breaker: a service that is away is asked by few, and one that is back by all."""

from __future__ import annotations

from serving.state.breaker import Breaker, Circuit, Fuse


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def broken() -> tuple[Breaker, Clock]:
    clock = Clock()
    breaker = Breaker(clock, Fuse(failures=3, rest_s=1.0))
    for _ in range(3):
        assert breaker.may_ask()
        breaker.failed()
    return breaker, clock


def test_failures_now_and_then_stop_nobody() -> None:
    breaker = Breaker(Clock(), Fuse(failures=3))
    for _ in range(10):
        breaker.failed()
        breaker.failed()
        breaker.answered()
        assert breaker.may_ask()
    assert breaker.circuit is Circuit.CLOSED


def test_after_failures_in_a_row_nobody_asks_for_a_while() -> None:
    breaker, clock = broken()
    assert (breaker.circuit, breaker.may_ask()) == (Circuit.OPEN, False)
    clock.now += 0.9
    assert not breaker.may_ask()


def test_then_one_asks_for_all() -> None:
    breaker, clock = broken()
    clock.now += 1.0
    assert breaker.circuit is Circuit.HALF_OPEN
    assert [breaker.may_ask() for _ in range(3)] == [True, False, False]


def test_its_answer_lets_all_ask_again() -> None:
    breaker, clock = broken()
    clock.now += 1.0
    breaker.may_ask()
    breaker.answered()
    assert (breaker.circuit, breaker.may_ask(), breaker.may_ask()) == (Circuit.CLOSED, True, True)


def test_its_failure_keeps_the_others_away() -> None:
    breaker, clock = broken()
    clock.now += 1.0
    breaker.may_ask()
    breaker.failed()
    assert (breaker.circuit, breaker.may_ask()) == (Circuit.OPEN, False)


def test_one_that_never_told_how_it_went_is_followed_by_another() -> None:
    breaker, clock = broken()
    clock.now += 1.0
    assert breaker.may_ask()
    clock.now += 1.0
    assert breaker.may_ask()
