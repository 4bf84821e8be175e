"""Training within a given time: the newest sessions that fit, found by trying how quick this machine is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from serving.ranking.past import Past
from serving.ranking.sessions import Sessions
from serving.ranking.words import Words
from training.fitting import Fit
from training.plan import Plan
from training.transformer import Shape
from training.windows import Windows

#: What the epochs may take of the time; reading, counting, rehearsing and exporting take the rest.
_SHARE: Final = 0.6
#: Batches that are tried, after a first one that warms up.
_TRIED: Final = 8


def shortened(past: Past, plan: Plan, max_minutes: float | None, clock: Callable[[], float]) -> tuple[Past, int]:
    """The newest of the past that can be learned in the time, and how many sessions that leaves out."""
    sessions = past.sessions
    if max_minutes is None or len(sessions.items) == len(sessions):
        return past, 0
    events = _events_a_second(sessions, plan, clock) * max_minutes * 60 * _SHARE
    after = np.cumsum(sessions.lengths[::-1])[::-1]  # (sessions,) events from here to the end
    left_out = min(int(np.count_nonzero(after > events)), len(sessions) - 1)
    return replace(past, sessions=sessions.between(left_out, len(sessions))), left_out


def _events_a_second(sessions: Sessions, plan: Plan, clock: Callable[[], float]) -> float:
    """How many of a log's events pass through all its epochs in a second."""
    words = Words(np.zeros(0, dtype=np.int32), np.zeros(sessions.catalogue + 1, dtype=np.int64), 0)
    windows = Windows.cut(sessions, np.ones(len(sessions.items), dtype=np.float32))
    fit = Fit(windows, words, Shape(sessions.catalogue), plan.base, drop_last_item=False, seed=0)
    fit.practise(1)
    begun = clock()
    events = fit.practise(_TRIED)
    return events / max(clock() - begun, 1e-9) / (plan.base.epochs + plan.refit.epochs)
