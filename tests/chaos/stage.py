"""Where a campaign plays: one installation, its crew, and the servers that it may harm."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import psutil

from tests.kit.crew import Crew
from tests.kit.group import Group
from tests.kit.kafka_server import KafkaServer
from tests.kit.redis_server import RedisServer
from tests.kit.shop import Shop

_TEND_S: Final = 0.25
_STOPPED_S: Final = 5.0
#: On a machine that has other work, every wait may be longer by this factor; the figures say so.
SLOWNESS: Final = float(os.environ.get("NEXTCLICK_TEST_SLOWNESS", "1"))
#: After Kafka's return.
PROGRESS_S: Final = 30.0


@dataclass
class Stage:
    shop: Shop
    crew: Crew
    group: Group
    redis: RedisServer | None = None
    kafka: KafkaServer | None = None
    #: For each return of Kafka, the seconds until the group was past a record that came after it.
    recoveries: list[float] = field(default_factory=list)

    @property
    def own_redis(self) -> RedisServer:
        assert self.redis, "this campaign has no Redis of its own"
        return self.redis

    @property
    def own_kafka(self) -> KafkaServer:
        assert self.kafka, "this campaign has no Kafka of its own"
        return self.kafka

    def pass_time(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.crew.tend()
            time.sleep(min(_TEND_S, max(0.0, left)))

    def await_that(self, holds: Callable[[], bool], what: str, within_s: float) -> float:
        """The seconds until it did, the workers being looked after."""
        started = time.monotonic()
        while not holds():
            if time.monotonic() - started > within_s * SLOWNESS:
                raise AssertionError(f"not within {within_s * SLOWNESS:g} s: {what}\n{self.last_words()}")
            self.pass_time(_TEND_S)
        return time.monotonic() - started

    def await_stopped(self, pid: int) -> None:
        process = psutil.Process(pid)
        self.await_that(lambda: process.status() == psutil.STATUS_STOPPED, "it stands still", _STOPPED_S)

    def await_committed(self, records: float, what: str, within_s: float) -> float:
        return self.await_that(lambda: self.group.committed() >= records, what, within_s)

    def await_progress(self) -> None:
        """Kafka is back: until the group is past a record that came after its return."""
        there = self.group.committed() + self.group.lag()
        self.recoveries.append(self.await_committed(there + 1, "somebody works again", PROGRESS_S))

    def last_words(self) -> str:
        said = (f"{worker.name}: {worker.said()[-1_000:]}" for worker in self.crew.workers)
        return "\n".join([f"lag {self.group.lag()}, {len(self.crew.exits)} unasked exits", *said])
