"""The event loop's pulse, taken from a thread: how late the loop comes to what is due, and whether it comes at all."""

from __future__ import annotations

import asyncio
import faulthandler
import threading
from collections.abc import Callable
from functools import partial
from typing import Final

from stream.metrics import Metrics

BEAT_S: Final = 0.25
#: After the limit, when not even this thread gets to run: some native code keeps Python's lock to itself.
_LAST_RESORT_S: Final = 15.0
#: Arming starts a thread of its own, outside Python.
_ARM_EVERY: Final = 20


class Pulse:
    """`blocked` is told, once, when the loop has not come round for `limit_s`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        metrics: Metrics,
        limit_s: float,
        blocked: Callable[[str], None],
        stop: threading.Event,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._metrics = metrics
        self._limit_s = limit_s
        self._blocked = blocked
        self._sent: float | None = None
        self._missed = 0
        self._beats = 0
        self._stop = stop

    def start(self) -> None:
        threading.Thread(target=self._run, name="pulse", daemon=True).start()

    def _run(self) -> None:
        while not self._stop.wait(BEAT_S):
            if self._beats % _ARM_EVERY == 0:
                faulthandler.dump_traceback_later(self._limit_s + _LAST_RESORT_S, exit=True)
            self._beats += 1
            try:
                self.beat()
            except RuntimeError:  # the loop is closed: the process is about to end
                break
        faulthandler.cancel_dump_traceback_later()

    def beat(self) -> None:
        if self._sent is None:
            self._missed = 0
            self._sent = now = self._clock()
            self._loop.call_soon_threadsafe(partial(self._answer, now))
            return
        # Counted in beats of our own, not by a clock: when the whole process was frozen, the loop is not to blame.
        self._missed += 1
        self._metrics.loop_silent.set(self._missed * BEAT_S)
        if self._missed == round(self._limit_s / BEAT_S):
            self._blocked(f"the event loop has been blocked for {self._limit_s:g} s")

    def _answer(self, sent: float) -> None:
        self._metrics.loop_lag.observe(self._clock() - sent)
        self._metrics.loop_silent.set(0)
        self._sent = None
