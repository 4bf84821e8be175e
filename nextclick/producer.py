"""Sends to the clickstream and believes nothing that Kafka did not confirm.

kafka-python's flush() returns normally when sends failed: only each future knows. So each one is kept,
looked at, and counted. Keys go to partitions by murmur2, as with every Java client, so that one session
is one partition whoever sends.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Self

import kafka.errors
from kafka import KafkaProducer
from kafka.producer.future import FutureRecordMetadata

from schemas.errors import KafkaError
from schemas.settings import Settings
from serving.state.access import access

#: What may be sent and not yet confirmed; past it the sender waits, so that memory stays bounded.
IN_FLIGHT_MAX: Final = 10_000
#: One request's bound, and that of a record with all its retries: a broker that restarts is outlived.
_REQUEST_S: Final = 10.0
_DELIVERY_S: Final = 30.0
_CONNECT_S: Final = 10.0
_DRAIN_S: Final = _DELIVERY_S + 5.0
_CLOSE_S: Final = 5.0

#: Called with (partition, offset, record time) once Kafka has confirmed it, within `send`, `look`, `drain` or `settle`.
Delivered = Callable[[int, int, int], None]
Header = tuple[str, bytes]


class ClickProducer:
    """Idempotent where the broker has it. Leaving the block sends nothing more; `drain` first."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._servers = settings.kafka
        self._topic = topic
        self._waiting: deque[tuple[FutureRecordMetadata, Delivered | None]] = deque()
        self.sent = 0
        #: Confirmed events by partition.
        self.spread: Counter[int] = Counter()
        with self._ours():
            self._producer = KafkaProducer(
                **access(settings),
                bootstrap_timeout_ms=int(_CONNECT_S * 1000),
                request_timeout_ms=int(_REQUEST_S * 1000),
                delivery_timeout_ms=int(_DELIVERY_S * 1000),
                max_block_ms=int(_DELIVERY_S * 1000),
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.close(timeout=_CLOSE_S)

    @property
    def delivered(self) -> int:
        return self.spread.total()

    def send(
        self, key: bytes, value: bytes | None, headers: tuple[Header, ...] = (), delivered: Delivered | None = None
    ) -> None:
        """Hands one record over; raises KafkaError when this or an earlier one is known to have failed."""
        with self._ours():
            future = self._producer.send(self._topic, value=value, key=key, headers=list(headers))
            self.sent += 1
            self._waiting.append((future, delivered))
        self.look()

    def look(self) -> None:
        """Counts what was confirmed meanwhile; waits when too much is under way; KafkaError when one failed."""
        with self._ours():
            while self._waiting and (self._waiting[0][0].is_done or len(self._waiting) > IN_FLIGHT_MAX):
                self._confirm(_DRAIN_S)

    def drain(self, timeout_s: float = _DRAIN_S) -> None:
        """Until everything sent is confirmed; KafkaError when anything is not."""
        deadline = time.monotonic() + timeout_s
        with self._ours():
            while self._waiting:
                self._confirm(max(0.0, deadline - time.monotonic()))

    def settle(self, timeout_s: float = _CLOSE_S) -> None:
        """After a failure: what was sent beside it may still arrive, and is counted. Raises nothing more."""
        deadline = time.monotonic() + timeout_s
        while self._waiting:
            with suppress(kafka.errors.KafkaError, OSError):
                self._confirm(max(0.0, deadline - time.monotonic()))

    def _confirm(self, timeout_s: float) -> None:
        future, delivered = self._waiting.popleft()
        record: Any = future.get(timeout=timeout_s)
        self.spread[record.partition] += 1
        if delivered is not None:
            delivered(record.partition, record.offset, record.timestamp)

    @contextmanager
    def _ours(self) -> Iterator[None]:
        try:
            yield
        except (kafka.errors.KafkaError, OSError) as error:
            raise KafkaError(
                f"Kafka at {self._servers} does not take what is sent to {self._topic}: {error}; "
                "`nextclick doctor` says what is wrong"
            ) from error
