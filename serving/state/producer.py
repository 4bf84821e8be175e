"""A producer that tells of every record whether Kafka has it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aiokafka.errors
from aiokafka import AIOKafkaProducer

from schemas.errors import InvariantError, KafkaError

#: The largest topic of ours takes batches of 2 MiB.
_REQUEST_MAX_BYTES: Final = 2 * 1024 * 1024
#: Of a partition in one request; half of what the smallest topic takes. The client's own 16 KiB hold two lists: those
#: of one ranking would go out in a queue of requests, each of which waits for the answer to the one before.
_BATCH_MAX_BYTES: Final = 512 * 1024
_REQUEST_TIMEOUT_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to produce. A null value takes back what was said under its key."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Producer:
    """At least once: what it sends carries its own idempotency key, so a repeated record costs nothing."""

    def __init__(self, servers: str, deadline_s: float) -> None:
        self._servers = servers
        self._deadline_s = deadline_s
        self._client: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Within the event loop that will send."""
        self._client = AIOKafkaProducer(
            bootstrap_servers=self._servers.split(","),
            acks="all",
            linger_ms=0,
            max_batch_size=_BATCH_MAX_BYTES,
            max_request_size=_REQUEST_MAX_BYTES,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
        )
        try:
            await self._client.start()
        except aiokafka.errors.KafkaError as error:
            raise self._failure(error) from error

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Returns when Kafka has every record; KafkaError when it has not said so of each in time."""
        try:
            async with asyncio.timeout(self._deadline_s):
                deliveries = [
                    await self._started.send(record.topic, record.value, key=record.key, headers=list(record.headers))
                    for record in records
                ]
                await asyncio.gather(*deliveries)
        except (aiokafka.errors.KafkaError, TimeoutError) as error:
            raise self._failure(error) from error

    async def stop(self) -> None:
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._started.stop()
        except (aiokafka.errors.KafkaError, TimeoutError) as error:
            raise self._failure(error) from error

    @property
    def _started(self) -> AIOKafkaProducer:
        if self._client is None:
            raise InvariantError("a producer sends before it was started")
        return self._client

    def _failure(self, error: Exception) -> KafkaError:
        return KafkaError(
            f"Kafka at {self._servers} did not take a record within {self._deadline_s:g} s "
            f"({type(error).__name__}: {error}); check that it runs and that `nextclick topics create` was run"
        )
