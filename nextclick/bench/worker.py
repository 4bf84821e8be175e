"""How many events a second one worker takes, and how many lists it makes of them, when as many wait as it can take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nextclick.bench.counts import Counts
from nextclick.bench.trial import Trial
from schemas.click import Click

Read = Callable[[], Counts]


@dataclass(frozen=True, slots=True)
class Throughput:
    """From the first events to the last, and until nobody waits for a list any more."""

    sessions: int
    events: int
    lists: int
    seconds: float
    #: The worker's processor time an event; it hardly changes when other programs compete for the processor.
    cpu_us: float

    @property
    def events_per_s(self) -> float:
        return self.events / self.seconds

    @property
    def lists_per_s(self) -> float:
        return self.lists / self.seconds

    def report(self) -> dict[str, Any]:
        return {
            "sessions": self.sessions,
            "events": self.events,
            "lists": self.lists,
            "seconds": round(self.seconds, 3),
            "events_per_s": round(self.events_per_s),
            "lists_per_s": round(self.lists_per_s),
            "cpu_us_per_event": round(self.cpu_us, 1),
        }

    def __str__(self) -> str:
        return (
            f"{self.events_per_s:,.0f} events/s, {self.lists_per_s:,.0f} lists/s: {self.events:,} events of "
            f"{self.sessions:,} sessions in {self.seconds:.1f} s, {self.lists / self.events:.2f} lists and "
            f"{self.cpu_us:.0f} us of the worker's processor time an event"
        )


def measure(trial: Trial, clicks: list[Click], read: Read | None = None) -> Throughput:
    """The clicks lie in Kafka before the worker begins, whose start does not count. `read` tells how far it is."""
    read = read or trial.counts
    trial.produce(clicks)
    trial.begin()
    begun_s, begun_cpu_s = 0.0, 0.0

    def watched() -> Counts:
        nonlocal begun_s, begun_cpu_s
        now_s, cpu_s, counts = time.monotonic(), trial.cpu_s(), read()
        if not counts.events:
            begun_s, begun_cpu_s = now_s, cpu_s
        return counts

    done = trial.await_counts(watched, lambda counts: counts.events >= len(clicks) and not counts.pending)
    return Throughput(
        sessions=len({click.session_id for click in clicks}),
        events=done.events,
        lists=done.lists,
        seconds=time.monotonic() - begun_s,
        cpu_us=(trial.cpu_s() - begun_cpu_s) / done.events * 1e6,
    )
