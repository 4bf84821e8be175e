"""Health is progress: a worker on which records wait and nothing moves ends itself, and another takes over.

Clients of Kafka are known to die while their process lives. So nothing is asked of the worker's own that it
would have to answer: a thread looks at what is acknowledged and at what Kafka holds. stall.py decides what
that means; pulse.py watches the event loop itself.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from stream import dump
from stream.health import Health, State
from stream.metrics import Metrics
from stream.progress import Lane, Progress, is_fresh
from stream.pulse import Pulse
from stream.soundings import Soundings
from stream.stall import Look, Watch, judge
from stream.suspicion import Suspicions

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
#: Whoever has stood still for longer than this may lack Kafka; we ask.
_DOUBT_S: Final = 10.0
#: A log that nobody reads any more must not keep us from ending.
_LAST_WORDS_S: Final = 5.0
SERVICES: Final = ("bundle", "kafka", "redis")


class Watched(Protocol):
    """The rest of the worker, as far as the watchdog must know it."""

    def model(self) -> str: ...

    def lacks(self) -> set[str]:
        """Of SERVICES those that do not answer, or that were refused."""

    def excuse(self) -> str | None:
        """What it waits for and may wait for: then the clock stands still."""

    def is_rewinding(self) -> bool: ...

    def describe(self) -> Iterable[str]:
        """Lines for the log, should this be the end."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: of a standstill, of a blocked event loop, and of waiting for a Kafka that does not answer."""

    stall_s: float
    block_s: float
    patience_s: float


class Watchdog:
    """Two threads, from `start` until the worker drains."""

    def __init__(
        self,
        progress: Progress,
        soundings: Soundings,
        worker: Watched,
        health: Health,
        metrics: Metrics,
        limits: Limits,
        exit_now: Callable[[], object],
        clock: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self._progress = progress
        self._soundings = soundings
        self._worker = worker
        self._health = health
        self._metrics = metrics
        self._clock = clock
        self._now_ms = now_ms
        self._limits = limits
        self._exit_now = exit_now
        self._suspicions = Suspicions(metrics)
        self._watch = Watch(clock())
        self._lanes: tuple[Lane, ...] | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        Pulse(loop, self._clock, self._metrics, self._limits.block_s, self.end, self._health.draining).start()
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def end(self, reason: str) -> None:
        """Ends the process, leaving in the log what led to it. From any thread, and while the event loop is blocked."""
        if self._health.draining.is_set():
            return
        timer = threading.Timer(_LAST_WORDS_S, self._exit_now)
        timer.daemon = True
        timer.start()
        log.critical("the worker ends: %s\n%s", reason, "\n".join(self._lines()))
        self._exit_now()

    def report(self) -> None:
        log.warning("asked for by a signal, what the worker is doing:\n%s", "\n".join(self._lines()))

    def look(self) -> None:
        now = self._clock()
        self._lanes = lanes = self._see(now)
        lacks = self._worker.lacks() | ({"kafka"} if self._soundings.silent_since is not None else set())
        self._health.tell(State(lanes, self._worker.model(), tuple(sorted(lacks))))
        self._metrics.show_lanes(lanes or (), self._now_ms())
        self._metrics.show_degraded(SERVICES, lacks)
        self._suspicions.look(lanes or (), now, rewinding=self._worker.is_rewinding())
        self._watch, stuck = judge(self._watch, Look(now, lanes, self._excuse(now)), self._limits.stall_s)
        if stuck:
            self.end(stuck)

    def _run(self) -> None:
        while not self._health.draining.wait(LOOK_S):
            try:
                self.look()
            except Exception:  # a defect of ours; to go on unwatched is what this file is here to prevent
                log.critical("the watchdog ends the worker on a defect", exc_info=True)
                self._exit_now()

    def _see(self, now: float) -> tuple[Lane, ...] | None:
        lanes = self._progress.look(self._soundings.heard(), self._now_ms())
        doubtful = [lane.partition for lane in lanes or () if self._is_doubtful(lane)]
        if not doubtful and self._watch.unassigned_s <= _DOUBT_S:
            self._soundings.silent_since = None  # the client has heard from Kafka itself
        elif self._soundings.is_due(now):
            self._soundings.ask(doubtful, now, self._now_ms())
            lanes = self._progress.look(self._soundings.heard(), self._now_ms())
        return lanes

    def _is_doubtful(self, lane: Lane) -> bool:
        """Nothing seems to wait, or nothing has moved, and it is long since the client heard from Kafka of it."""
        wait = self._watch.waits.get(lane.partition)
        is_still = not lane.lag or (wait is not None and wait.seconds > _DOUBT_S)
        return is_still and not is_fresh(lane, self._now_ms())

    def _excuse(self, now: float) -> str | None:
        silent_since = self._soundings.silent_since
        if silent_since is not None and now - silent_since <= self._limits.patience_s:
            return "asking Kafka for the ends of the log"
        return self._worker.excuse()

    def _lines(self) -> Iterator[str]:
        yield from dump.lanes(self._lanes or (), self._now_ms())
        yield from self._worker.describe()
        yield from dump.threads()
