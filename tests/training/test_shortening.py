"""Training within a given time: the newest sessions that fit, whole, and never none."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count

import pytest

from serving.ranking.past import Past
from tests import worlds
from training import shortening
from training.fitting import Lessons
from training.plan import Plan
from training.shortening import shortened
from training.transformer import Shape

pytestmark = pytest.mark.usefixtures("one_thread")

PLAN = Plan(Lessons(epochs=1, batch=256, sample=16), Lessons(epochs=1), rehearsed=100, tutors=0, refreshes=1)


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
    kept, left_out = shortened(log, PLAN, 2.0, ticking(60.0))

    # then: of two minutes' events, passed twice, the share that the epochs may take
    assert left_out + len(kept.sessions) == len(log.sessions)
    assert 1_400 < len(kept.sessions.items) <= 1_650
    assert kept.sessions.items.tolist() == log.sessions.items[-len(kept.sessions.items) :].tolist()
    assert kept.table is log.table


def test_time_enough_leaves_nothing_out() -> None:
    log = past()
    kept, left_out = shortened(log, PLAN, 60.0, ticking(1.0))
    assert (kept.sessions.items.tolist(), left_out) == (log.sessions.items.tolist(), 0)


def test_without_a_limit_nothing_is_tried() -> None:
    log = past()
    kept, left_out = shortened(log, PLAN, None, ticking(1e9))
    assert kept is log
    assert left_out == 0


def test_however_little_time_there_is_the_last_session_stays() -> None:
    kept, left_out = shortened(past(), PLAN, 1e-6, ticking(1e6))
    assert (len(kept.sessions), left_out) == (1, len(past().sessions) - 1)


def test_a_log_without_a_step_needs_no_time() -> None:
    log = worlds.World(3, ((1,), (2,))).log
    kept, left_out = shortened(log, PLAN, 1e-6, ticking(1e6))
    assert kept is log
    assert left_out == 0
