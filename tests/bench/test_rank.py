"""What ranking one session costs, alone and in a batch."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest

from nextclick.sample import BUNDLE, REPLAY
from schemas.session import Action, Session
from serving.state import bundles
from training import log

_ROUNDS = 2_000
_BATCH = 32


@pytest.mark.bench
def test_the_cost_of_ranking_a_session() -> None:
    # given
    manifest, found = bundles.verify(BUNDLE)
    ranker = found.ranker
    baskets: dict[str, list[Action]] = {}
    for click in log.read([REPLAY]):
        baskets.setdefault(click.session_id, []).append(Action(click.touched[0], click.type, click.ts))
    print(f"\nrank: demo bundle, {manifest.data.items} items, one thread, Python {platform.python_version()}")
    for length in (1, 3, 10):
        sessions = [Session(recent=tuple(actions[:length])) for actions in baskets.values() if len(actions) >= length]

        # when
        one = _times([partial(ranker.rank, [session], 0) for session in sessions], _ROUNDS)
        many = _times([partial(ranker.rank, sessions[:_BATCH], 0)], _ROUNDS // _BATCH) / _BATCH

        # then
        for name, times in (("alone", one), (f"in {_BATCH}", many)):
            p50, p99 = np.percentile(times, [50, 99]) * 1e6
            print(f"  {length:2} items, {name:5}: p50 {p50:4.0f} us, p99 {p99:4.0f} us a session")


def _times(calls: Sequence[Callable[[], object]], rounds: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    seconds = np.zeros(rounds)
    for at in range(rounds):
        begun = time.perf_counter()
        calls[at % len(calls)]()
        seconds[at] = time.perf_counter() - begun
    return seconds
