"""What an endpoint process says of itself: ready is whoever can answer anything.

Without Redis, bundle or Kafka it still answers, and says what it does without. Were it not ready then, the
load balancer would take every process away at once, and shoppers would get its error instead of our fallback.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from serving.state.probes import Answer


class Health:
    def __init__(self, degraded: Callable[[], frozenset[str]], model: Callable[[], str]) -> None:
        """Both may be asked from any thread."""
        self._degraded = degraded
        self._model = model
        self.warm = threading.Event()
        self.draining = threading.Event()

    def ready(self) -> Answer:
        draining = self.draining.is_set()
        ready = self.warm.is_set() and not draining
        told = {"ready": ready, "draining": draining, "model": self._model(), "degraded": sorted(self._degraded())}
        return Answer.of(ready, told)

    def live(self) -> Answer:
        return Answer.of(True, {"live": True})
