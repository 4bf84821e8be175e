"""A topic as the broker holds it, read without a group: where it begins, and what comes next at an offset or a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

import aiokafka.errors
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.errors import KafkaError
from schemas.settings import Settings
from serving.state.access import access

T = TypeVar("T")

_FETCH_WAIT_MS: Final = 100
#: The broker sends at least one batch, and no more are wanted.
_FETCH_BYTES: Final = 1


class Log:
    """Connects when it is first asked. Every call waits at most `deadline_s`, and one goes on at a time."""

    def __init__(self, settings: Settings, topic: str, deadline_s: float) -> None:
        self._servers = settings.kafka
        self._access = access(settings)
        self._topic = topic
        self._deadline_s = deadline_s
        self._client: AIOKafkaConsumer | None = None
        self._turn = asyncio.Lock()

    async def starts(self, partitions: Sequence[int]) -> dict[int, int]:
        """By partition, the least offset that may hold a record."""

        async def ask(client: AIOKafkaConsumer) -> dict[int, int]:
            found = await client.beginning_offsets([self._at(partition) for partition in partitions])
            return {tp.partition: offset for tp, offset in found.items()}

        return await self._bounded(ask)

    async def since(self, times: Mapping[int, int]) -> dict[int, int]:
        """By partition, the offset of the first record at or after that epoch ms, if there is one."""

        async def ask(client: AIOKafkaConsumer) -> dict[int, int]:
            found = await client.offsets_for_times({self._at(partition): max(0, ms) for partition, ms in times.items()})
            # The embedded broker answers with offset 0 and no time where it should say that there is none.
            return {tp.partition: at.offset for tp, at in found.items() if at is not None and at.timestamp >= 0}

        return await self._bounded(ask) if times else {}

    async def next(self, partition: int, offset: int) -> int:
        """The offset of the first record at or after `offset`, which lies between the log's start and its end."""
        tp = self._at(partition)

        async def ask(client: AIOKafkaConsumer) -> int:
            client.assign([tp])
            try:
                client.seek(tp, offset)
                while not (found := (await client.getmany(tp, timeout_ms=_FETCH_WAIT_MS, max_records=1)).get(tp)):
                    pass
                return int(found[0].offset)
            finally:
                client.unsubscribe()

        return await self._bounded(ask)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.stop()

    async def _bounded(self, ask: Callable[[AIOKafkaConsumer], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._deadline_s), self._turn:
                return await ask(await self._connected())
        except (aiokafka.errors.KafkaError, TimeoutError) as error:
            raise KafkaError(
                f"Kafka at {self._servers} does not tell what {self._topic} holds within {self._deadline_s:g} s "
                f"({type(error).__name__}: {error}); check that it runs and that the topic is there"
            ) from error

    async def _connected(self) -> AIOKafkaConsumer:
        if self._client is None:
            client = AIOKafkaConsumer(
                **self._access,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                fetch_max_wait_ms=_FETCH_WAIT_MS,
                max_partition_fetch_bytes=_FETCH_BYTES,
            )
            try:
                await client.start()
            except BaseException:
                await client.stop()
                raise
            self._client = client
        return self._client

    def _at(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)
