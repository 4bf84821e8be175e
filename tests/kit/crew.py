"""The workers of one installation, kept at their number as an orchestrator keeps them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

import psutil

from tests.kit.worker import Worker, summed

#: All records, letters included.
HANDLED: Final = "nextclick_fold_batch_events_sum"
#: Records delivered again, which the guard of their session took for what they are.
STALE: Final = 'nextclick_events_total{outcome="stale",'
#: Events whose id the session knew: what the producer had sent twice.
DUPLICATE: Final = 'nextclick_events_total{outcome="duplicate",'


_MIB: Final = 2**20
#: Of what a worker said before it ended, in characters.
_WORDS: Final = 8_000


@dataclass(frozen=True, slots=True)
class Vital:
    """What one worker weighed, at one time."""

    at_s: float
    memory_mib: float
    descriptors: int


class Crew:
    """Whoever ends unasked is replaced at the next `tend`, and its exit code kept."""

    def __init__(self, start: Callable[[], Worker], size: int) -> None:
        self._start = start
        self.workers: list[Worker] = []
        self.exits: list[int] = []
        #: Name of a worker, also of one that is gone -> what it last told Prometheus.
        self._told: dict[str, dict[str, float]] = {}
        self.vitals: dict[str, list[Vital]] = {}
        for _ in range(size):
            self.hire()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Where something failed, nobody is left to disturb the next test."""
        for worker in self.workers:
            worker.kill()

    def hire(self) -> Worker:
        self.workers.append(self._start())
        return self.workers[-1]

    def await_assigned(self) -> None:
        for worker in self.workers:
            worker.await_assigned()

    @property
    def senior(self) -> Worker:
        """Who has worked longest: the one whose loss costs most."""
        return next((worker for worker in self.workers if worker.is_assigned), self.workers[0])

    def tend(self) -> None:
        for worker in list(self.workers):
            code = worker.exit_code()
            if code is None:
                self.listen(worker)
            else:
                print(f"\n{worker.name} ended unasked with {code}; it said:\n{worker.said()[-_WORDS:]}")
                self.exits.append(code)
                self.workers.remove(worker)
                self.hire()

    def listen(self, worker: Worker) -> None:
        told = worker.metrics()
        if told:
            self._told[worker.name] = told
        if told.get(HANDLED):
            with suppress(psutil.Error):  # it ends this very moment
                process = worker.process
                weight = Vital(time.monotonic(), process.memory_info().rss / _MIB, process.num_fds())
                self.vitals.setdefault(worker.name, []).append(weight)

    def kill(self, worker: Worker) -> None:
        """Another takes its place at once."""
        self.listen(worker)
        worker.kill()
        assert worker.exit_code() == -9, f"{worker.name} ended before it was killed"
        self.workers.remove(worker)
        self.hire()

    def dismiss(self, worker: Worker) -> None:
        """Nobody takes its place."""
        self.listen(worker)
        assert worker.stop() == 0
        self.workers.remove(worker)

    def dismiss_all(self) -> None:
        for worker in list(self.workers):
            self.dismiss(worker)

    def total(self, beginning: str) -> int:
        """Of samples whose names begin so, over all who ever worked; what one counted in its last moments before it was
        killed is missing.
        """
        return round(sum(summed(told, beginning) for told in self._told.values()))

    def growth_mib(self) -> float:
        """The most that the memory of one has grown."""
        weights = [[vital.memory_mib for vital in vitals] for vitals in self.vitals.values()]
        return max((max(each) - each[0] for each in weights), default=0.0)
