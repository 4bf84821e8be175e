"""Infrastructure that fails is tried again in place, within a budget; then the error ends the process.

The budget stays below Kafka's rebalance timeout: a worker that waits longer would lose its partitions
to one that may fare no better.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import isfinite
from typing import Final, TypeVar

from schemas.errors import ServiceError

T = TypeVar("T")
log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0
#: What is tried for ever is told of now and then.
ENDLESS_TELLS_EVERY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Something that failed at least once and has not succeeded yet."""

    what: str
    since: float
    error: ServiceError


class Patience:
    """Repeats what may be repeated: every action here is idempotent."""

    def __init__(self, budget_s: float, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._budget_s = budget_s
        self._clock = clock
        self._sleep = sleep
        self._retries: dict[object, Retry] = {}

    @property
    def retries(self) -> tuple[Retry, ...]:
        """What is being tried again at the moment; may be asked from any thread."""
        return tuple(self._retries.values())

    def excuse(self) -> str | None:
        """What keeps us waiting, as long as it is within its budget."""
        now = self._clock()
        return next((retry.what for retry in self.retries if now - retry.since <= self._budget_s), None)

    async def run(self, what: str, action: Callable[[], Awaitable[T]]) -> T:
        """What `action` answers once it succeeds; the last ServiceError when the budget is spent."""
        token = object()
        try:
            return await self._repeat(what, action, token)
        finally:
            self._retries.pop(token, None)

    async def _repeat(self, what: str, action: Callable[[], Awaitable[T]], token: object) -> T:
        started, pause_s, due_s = self._clock(), FIRST_PAUSE_S, 0.0
        while True:
            try:
                return await action()
            except ServiceError as error:
                self._retries[token] = Retry(what, started, error)
                spent_s = self._clock() - started
                if spent_s + pause_s > self._budget_s:
                    raise
                if spent_s >= due_s:
                    until = (
                        f"for {self._budget_s - spent_s:.0f} s more" if isfinite(self._budget_s) else "until it does"
                    )
                    log.warning("%s failed after %.1f s, trying %s: %s", what, spent_s, until, error)
                    due_s = spent_s + (0 if isfinite(self._budget_s) else ENDLESS_TELLS_EVERY_S)
            await self._sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
