"""A producer that tells of every record whether Kafka has it, and where."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import aiokafka.errors
from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from schemas.errors import InvariantError, KafkaError
from schemas.settings import Settings
from serving.state import handshake
from serving.state.access import access

#: The largest topic of ours takes batches of 2 MiB.
_REQUEST_MAX_BYTES: Final = 2 * 1024 * 1024
#: Of a partition in one request; half of what the smallest topic takes. The client's own 16 KiB hold two lists: those
#: of one ranking would go out in a queue of requests, each of which waits for the answer to the one before.
_BATCH_MAX_BYTES: Final = 512 * 1024
_REQUEST_TIMEOUT_MS: Final = 5_000
#: The broker's clock stamped the record; where it does not, ours did.
_APPEND_TIME: Final = 1


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to produce. A null value takes back what was said under its key."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a record came to lie, and the time that it bears there."""

    partition: int
    offset: int
    record_time: int


class Undelivered(KafkaError):
    """Kafka has not said of each record that it has it. Of those without a place it may still take some."""

    def __init__(self, message: str, placed: Sequence[Placed | None]) -> None:
        super().__init__(message)
        self.placed: Final = tuple(placed)


def _epoch_ms() -> int:
    return time.time_ns() // 1_000_000


class Producer:
    """At least once: what it sends carries its own idempotency key, so a repeated record costs nothing."""

    def __init__(self, settings: Settings, deadline_s: float, now: Callable[[], int] = _epoch_ms) -> None:
        self._settings = settings
        self._access = access(settings)
        self._deadline_s = deadline_s
        self._now = now
        self._client: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Within the event loop that will send. May be tried again when it has failed."""
        client = AIOKafkaProducer(
            **self._access,
            acks="all",
            linger_ms=0,
            max_batch_size=_BATCH_MAX_BYTES,
            max_request_size=_REQUEST_MAX_BYTES,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
        )
        try:
            await _connect(client)
        except aiokafka.errors.KafkaError as error:
            why = await handshake.complaint(self._settings, self._deadline_s)
            raise KafkaError(why or self._complaint(error)) from error
        self._client = client

    async def send(self, records: Sequence[Outgoing]) -> list[Placed]:
        """Returns when Kafka has every record; Undelivered when it has not said so of each in time."""
        client, stamp = self._started, self._now()
        deliveries: list[asyncio.Future[RecordMetadata]] = []
        failure: Exception | None = None
        try:
            async with asyncio.timeout(self._deadline_s):
                failure = await _hand_over(client, records, stamp, deliveries)
                await asyncio.gather(*deliveries, return_exceptions=True)
        except TimeoutError as error:
            failure = error
        fates = [_fate(delivery, stamp) for delivery in deliveries]
        placed = [fate for fate in fates if isinstance(fate, Placed)]
        failure = failure or next((fate for fate in fates if isinstance(fate, Exception)), None)
        if failure is None:
            return placed
        known = [fate if isinstance(fate, Placed) else None for fate in fates]
        raise Undelivered(self._complaint(failure), [*known, *[None] * (len(records) - len(known))]) from failure

    async def stop(self) -> None:
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._started.stop()
        except (aiokafka.errors.KafkaError, TimeoutError) as error:
            raise KafkaError(self._complaint(error)) from error

    @property
    def _started(self) -> AIOKafkaProducer:
        if self._client is None:
            raise InvariantError("a producer sends before it was started")
        return self._client

    def _complaint(self, error: Exception) -> str:
        return (
            f"Kafka at {self._settings.kafka} did not take a record within {self._deadline_s:g} s "
            f"({type(error).__name__}: {error}); check that it runs and that `nextclick topics create` was run"
        )


async def _connect(client: AIOKafkaProducer) -> None:
    try:
        await client.start()
    except BaseException:
        await client.stop()
        raise


async def _hand_over(
    client: AIOKafkaProducer,
    records: Sequence[Outgoing],
    stamp: int,
    deliveries: list[asyncio.Future[RecordMetadata]],
) -> KafkaError | None:
    """One after the other, so that those of one key keep their order. Behind one that the client refuses none goes.

    Each bears our stamp: a broker that stamps by itself overrides it, and of one that does not, the client tells the
    time of a batch's first record as that of all.
    """
    try:
        for record in records:
            headers = list(record.headers)
            delivery = await client.send(
                record.topic, record.value, key=record.key, timestamp_ms=stamp, headers=headers
            )
            deliveries.append(delivery)
    except aiokafka.errors.KafkaError as error:
        return KafkaError(str(error) or type(error).__name__)
    return None


def _fate(delivery: asyncio.Future[RecordMetadata], stamp: int) -> Placed | Exception:
    if delivery.cancel() or delivery.cancelled():  # nobody waits for it any longer; it may arrive all the same
        return TimeoutError()
    error = delivery.exception()
    if error is not None:
        return error if isinstance(error, Exception) else TimeoutError()
    told = delivery.result()
    return Placed(told.partition, told.offset, told.timestamp if told.timestamp_type == _APPEND_TIME else stamp)
