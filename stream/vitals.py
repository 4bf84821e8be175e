"""What the watchdog must know of the worker's parts; read from its thread, while they work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from schemas.errors import KafkaError, RedisError
from serving.state.patience import Patience
from stream import dump
from stream.intake import Delivery
from stream.outbox import Outbox
from stream.ranking import Ranking


class Refuses(Protocol):
    """What follows bundles, and may have refused the one that is to rank."""

    @property
    def refuses(self) -> bool: ...


@dataclass(slots=True)
class Vitals:
    ranking: Ranking
    outbox: Outbox
    following: Refuses
    patience: Patience
    queue: asyncio.Queue[Delivery]
    #: The loops whose tasks are to be named in the log if the worker has to end.
    loops: Callable[[], list[asyncio.AbstractEventLoop]]
    #: What else may keep the worker for a while, as long as it says so: a catalogue that loads.
    excuses: list[Callable[[], str | None]] = field(default_factory=list)
    rewinding: Callable[[], bool] = lambda: False
    _adopted: int = 0

    def model(self) -> str:
        return self.ranking.model

    def lacks(self) -> set[str]:
        errors = [retry.error for retry in self.patience.retries]
        lacking = {
            "redis": any(isinstance(error, RedisError) for error in errors),
            "kafka": self.outbox.waits or any(isinstance(error, KafkaError) for error in errors),
            "bundle": self.following.refuses,
        }
        return {service for service, lacks in lacking.items() if lacks}

    def excuse(self) -> str | None:
        told = (excuse() for excuse in (self.patience.excuse, self._adopting, *self.excuses))
        return next((excuse for excuse in told if excuse is not None), None)

    def is_rewinding(self) -> bool:
        return self.rewinding()

    def describe(self) -> Iterator[str]:
        retries = ", ".join(f"{retry.what} ({retry.error})" for retry in self.patience.retries)
        yield f"queue: {self.queue.qsize()} of {self.queue.maxsize}, sessions that wait for a list: {self.ranking.owed}"
        yield f"tried again: {retries or 'nothing'}"
        yield from dump.tasks(self.loops())

    def _adopting(self) -> str | None:
        """Nothing is folded until the last owner's pending sessions are taken over, however many they are."""
        before, self._adopted = self._adopted, self.ranking.adopted
        return "taking over pending sessions" if self._adopted != before else None
