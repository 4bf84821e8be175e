"""Training within a given time: the newest sessions that fit, found by trying how quick this machine is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from msgspec import Struct

from serving.ranking.past import Past
from serving.ranking.sessions import Sessions
from serving.ranking.words import Words
from training.fitting import Fit, Lessons, settled
from training.plan import Plan
from training.rehearsal import LEAST
from training.transformer import Shape
from training.windows import Windows

#: What the epochs may take of the time; reading, counting, rehearsing and exporting take the rest.
_SHARE: Final = 0.5
#: Predictions rehearsed for each second there is: about a third of it, on two cores.
_REHEARSED_A_SECOND: Final = 25
#: Sessions stay whole, so that a period with room for LEAST predictions holds a few less.
_REHEARSED_LEAST: Final = LEAST * 3 // 2
#: What exporting, measuring, writing and drawing the report take at least, whatever the log.
WRITING_S: Final = 20.0
#: Batches that are tried, after a first one that warms up.
_TRIED: Final = 8


class Cut(Struct, frozen=True):
    """How many of the oldest sessions are left out, and how the rest is learned."""

    left_out: int
    plan: Plan

    def of(self, past: Past) -> Past:
        sessions = past.sessions
        return replace(past, sessions=sessions.between(self.left_out, len(sessions))) if self.left_out else past


def shortened(past: Past, plan: Plan, seconds: float | None, device: str, clock: Callable[[], float]) -> Cut:
    """The newest of the past that can be learned in so many seconds."""
    sessions = past.sessions
    if seconds is None:
        return Cut(0, plan)
    within = replace(plan, rehearsed=min(plan.rehearsed, max(_REHEARSED_LEAST, int(_REHEARSED_A_SECOND * seconds))))
    targets = len(sessions.items) - len(sessions)
    # As often as the whole log would be: less of it, gone through more often, would take as long.
    base, refit = (replace(lessons, epochs=lessons.of(targets).epochs, steps=0) for lessons in (plan.base, plan.refit))
    passed = _events_a_second(sessions, base, device, clock) * seconds * _SHARE
    after = np.cumsum(sessions.lengths[::-1])[::-1]  # (sessions,) events from here to the end
    left_out = min(int(np.count_nonzero(after * (base.epochs + refit.epochs) > passed)), len(sessions) - 1)
    return Cut(left_out, replace(within, base=base, refit=refit) if left_out else within)


def _events_a_second(sessions: Sessions, lessons: Lessons, device: str, clock: Callable[[], float]) -> float:
    """How many events pass through an epoch in a second."""
    words = Words(np.zeros(0, dtype=np.int32), np.zeros(sessions.catalogue + 1, dtype=np.int64), 0)
    windows = Windows.cut(sessions, np.ones(len(sessions.items), dtype=np.float32))
    fit = Fit(windows, words, Shape(sessions.catalogue), lessons, drop_last_item=False, seed=0, device=settled(device))
    fit.practise(1)
    begun = clock()
    events = fit.practise(_TRIED)
    return events / max(clock() - begun, 1e-9)
