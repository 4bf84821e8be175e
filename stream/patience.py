"""Infrastructure that fails is tried again in place, within a budget; then the error ends the process.

The budget stays below Kafka's rebalance timeout: a worker that waits longer would lose its partitions
to one that may fare no better.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from schemas.errors import ServiceError

T = TypeVar("T")
log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0


class Patience:
    """Repeats what may be repeated: every action here is idempotent."""

    def __init__(self, budget_s: float, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._budget_s = budget_s
        self._clock = clock
        self._sleep = sleep

    async def run(self, what: str, action: Callable[[], Awaitable[T]]) -> T:
        """What `action` answers once it succeeds; the last ServiceError when the budget is spent."""
        started, pause_s = self._clock(), FIRST_PAUSE_S
        while True:
            try:
                return await action()
            except ServiceError as error:
                spent_s = self._clock() - started
                if spent_s + pause_s > self._budget_s:
                    raise
                log.warning("%s failed after %.1f s, trying for %.0f s more: %s", what, spent_s,
                            self._budget_s - spent_s, error)  # fmt: skip
            await self._sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
