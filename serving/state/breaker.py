"""A circuit breaker: while a service does not answer, most who ask are told so at once, and one asks for all.

    closed     everybody asks; so many failures in a row open it
    open       nobody asks, for a while
    half-open  one asks; the answer closes it, a failure opens it again

Pure but for the clock that is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum


class Circuit(IntEnum):
    """As the metrics have it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, slots=True)
class Fuse:
    #: Failures in a row that open the circuit.
    failures: int = 3
    #: How long nobody asks then.
    rest_s: float = 0.5


class Breaker:
    def __init__(self, clock: Callable[[], float], fuse: Fuse | None = None) -> None:
        self._clock = clock
        self._fuse = fuse or Fuse()
        self._failures = 0
        self._opened_s: float | None = None
        #: When the one that asks for all began to.
        self._asked_s: float | None = None

    @property
    def circuit(self) -> Circuit:
        if self._opened_s is None:
            return Circuit.CLOSED
        rested = self._clock() - self._opened_s >= self._fuse.rest_s
        return Circuit.HALF_OPEN if rested else Circuit.OPEN

    def may_ask(self) -> bool:
        """Whoever is told yes must tell how it went."""
        circuit = self.circuit
        if circuit is Circuit.CLOSED:
            return True
        if circuit is Circuit.OPEN:
            return False
        # One that never told, for it was cancelled, does not keep the circuit open for ever.
        now = self._clock()
        if self._asked_s is not None and now - self._asked_s < self._fuse.rest_s:
            return False
        self._asked_s = now
        return True

    def answered(self) -> None:
        self._failures = 0
        self._opened_s = self._asked_s = None

    def failed(self) -> None:
        self._failures += 1
        if self._opened_s is not None or self._failures >= self._fuse.failures:
            self._opened_s, self._asked_s = self._clock(), None
