"""What a worker says of itself to those who send it work or restart it: whether it is ready, whether it lives."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from serving.state.probes import Answer
from stream.progress import Lane

#: Looks come every second, or every few when Kafka is slow to answer. Without one for this long nobody watches.
UNWATCHED_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class State:
    """What the watchdog saw at its last look. Without lanes a rebalance goes on."""

    lanes: tuple[Lane, ...] | None
    model: str
    #: Of redis, bundle and kafka those that the worker lacks at the moment.
    degraded: tuple[str, ...]


class Health:
    """Told by the watchdog's thread and by the signal to stop; asked by the threads that answer HTTP.

    Ready from the first time that partitions are assigned and caught up until the worker drains. A lag or a
    service that is away later on is said in the body: to route around a worker for it would help nobody.
    """

    def __init__(self, within_s: float, clock: Callable[[], float]) -> None:
        self._within_s = within_s
        self._clock = clock
        self._state = State(None, "", ())
        self._warm = False
        self._told_at: float | None = None
        self.draining = threading.Event()

    def tell(self, state: State) -> None:
        self._state, self._told_at = state, self._clock()
        self._warm = self._warm or self._is_caught_up(state.lanes)

    def ready(self) -> Answer:
        state = self._state
        draining = self.draining.is_set()
        ready = self._warm and not draining
        return Answer.of(
            ready,
            {
                "ready": ready,
                "draining": draining,
                "assigned": state.lanes is not None,
                "caught_up": self._is_caught_up(state.lanes),
                "model": state.model,
                "degraded": state.degraded,
                "partitions": [
                    {"partition": lane.partition, "lag": lane.lag, "behind_s": round(lane.behind_s, 3)}
                    for lane in state.lanes or ()
                ],
            },
        )

    def live(self) -> Answer:
        """False when the watchdog itself has stopped looking: then nothing else would notice a worker that is stuck."""
        told_at = self._told_at
        watched = told_at is None or self.draining.is_set() or self._clock() - told_at <= UNWATCHED_S
        return Answer.of(watched, {"live": watched})

    def _is_caught_up(self, lanes: tuple[Lane, ...] | None) -> bool:
        """A worker without partitions is: it stands by for those of another."""
        return lanes is not None and all(lane.lag is not None and lane.behind_s <= self._within_s for lane in lanes)
