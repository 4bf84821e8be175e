"""Training within a given time: the newest sessions that fit, whole, and never none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count

import pytest

from serving.ranking.past import Past
from serving.ranking.sessions import Sessions
from tests import worlds
from training import shortening
from training.fitting import Lessons
from training.plan import Plan
from training.rehearsal import LEAST, Split
from training.shortening import Cut, shortened
from training.transformer import Shape

pytestmark = pytest.mark.usefixtures("one_thread")

PLAN = Plan(
    Lessons(epochs=1, batch=256, sample=16, steps=800),
    Lessons(epochs=1, steps=800),
    rehearsed=100,
    tutors=0,
    refreshes=1,
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortening, "Shape", partial(Shape, width=16, heads=2, blocks=1))


def ticking(seconds: float) -> Callable[[], float]:
    """A clock on which all that is measured takes so long."""
    ticks = count()
    return lambda: next(ticks) * seconds


def past() -> Past:
    return worlds.chain().log


def test_the_newest_sessions_are_kept_and_what_is_left_out_is_counted() -> None:
    # given: 8 batches of 256 targets, about 2,560 events, take a minute
    log = past()

    # when
    cut = shortened(log, PLAN, 120.0, "cpu", ticking(60.0))
    kept, plan, left_out = cut.of(log), cut.plan, cut.left_out

    # then: of two minutes' events, passed ten times, the share that the epochs may take
    assert left_out + len(kept.sessions) == len(log.sessions)
    assert 230 < len(kept.sessions.items) <= 260
    assert plan.base.of(len(kept.sessions.items)).epochs + plan.refit.of(len(kept.sessions.items)).epochs == 10
    assert kept.sessions.items.tolist() == log.sessions.items[-len(kept.sessions.items) :].tolist()
    assert kept.table is log.table


def test_time_enough_leaves_nothing_out() -> None:
    log = past()
    assert shortened(log, PLAN, 3_600.0, "cpu", ticking(1.0)) == Cut(0, PLAN)


def test_without_a_limit_nothing_is_tried() -> None:
    log = past()
    cut = shortened(log, PLAN, None, "cpu", ticking(1e9))
    assert cut == Cut(0, PLAN)
    assert cut.of(log) is log


def test_however_little_time_there_is_the_last_session_stays() -> None:
    cut = shortened(past(), PLAN, 0.0, "cpu", ticking(1e6))
    assert (len(cut.of(past()).sessions), cut.left_out) == (1, len(past().sessions) - 1)


def test_with_less_time_less_is_rehearsed_and_always_enough_to_learn_an_order() -> None:
    thorough = replace(PLAN, rehearsed=40_000)
    plans = [shortened(past(), thorough, 60 * minutes, "cpu", ticking(1.0)).plan for minutes in (0.1, 10, 1000)]
    assert [plan.rehearsed for plan in plans] == [LEAST * 3 // 2, 15_000, 40_000]

    # Of the least, what is left when no session is cut is enough.
    visits = Sessions.listed([[0] * 30] * 3 * LEAST, 1)
    assert Split.of(visits, plans[0].rehearsed).predictions >= LEAST
