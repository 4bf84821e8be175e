"""The topic `catalog`, followed in full and without a group: up to its end, and then for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import aiokafka.errors
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from schemas.errors import DataError, KafkaError
from schemas.item import Entry, read
from schemas.settings import Settings
from serving.state import handshake
from serving.state.access import access

#: Handed out at once: few, because whoever takes them has other things to do meanwhile.
_MOST: Final = 200
#: How long `next` waits for the first of them.
_WAIT_MS: Final = 200
#: Nothing for so long, where something is known to be there, is a failure.
_SILENCE_S: Final = 10.0
_ASK_S: Final = 10.0


class Catalogue:
    def __init__(
        self, settings: Settings, topic: str, unreadable: Callable[[str], object] = lambda reason: None
    ) -> None:
        """`unreadable` is told of every record that says nothing of any item, and why."""
        self._settings = settings
        self._access = access(settings)
        self._topic = topic
        self._unreadable = unreadable
        self._consumer: AIOKafkaConsumer | None = None
        #: Where the partitions ended when this began, as far as they have not been read up to there.
        self._ends: dict[TopicPartition, int] = {}
        self._heard_s = 0.0

    @property
    def caught_up(self) -> bool:
        """Whether all has been read that there was when this began."""
        return self._consumer is not None and not self._ends

    async def next(self) -> list[Entry]:
        """What comes next, in the order of each partition; nothing where nothing comes for a moment.

        KafkaError when Kafka is away. Call again to go on: nothing is left out.
        """
        try:
            consumer = self._consumer or await self._begin()
            if self._ends:
                await self._near_ends(consumer)
            # Last: of what is taken here nothing may fall to an error.
            found = await consumer.getmany(timeout_ms=_WAIT_MS, max_records=_MOST)
        except (aiokafka.errors.KafkaError, TimeoutError) as error:
            complaint = await handshake.complaint(self._settings, _ASK_S) if self._consumer is None else None
            raise (KafkaError(complaint) if complaint else self._failure(f"{type(error).__name__}: {error}")) from error
        if found:
            self._heard_s = asyncio.get_running_loop().time()
        return [entry for records in found.values() for record in records if (entry := self._read(record))]

    async def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _begin(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            **self._access,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # What a transaction took back was never said.
            isolation_level="read_committed",
            fetch_max_wait_ms=self._settings.fetch_wait_ms,
        )
        # Its partitions are named once, not subscribed to: a broker that restarts may for a moment know of none, and
        # whoever is subscribed would then begin anew, with what has long been otherwise.
        consumer.assign([TopicPartition(self._topic, 0)])
        try:
            async with asyncio.timeout(_ASK_S):
                await consumer.start()
                lanes = [TopicPartition(self._topic, part) for part in consumer.partitions_for_topic(self._topic) or ()]
                if not lanes:
                    raise self._failure("there is no such topic")
                consumer.assign(lanes)
                self._ends = await consumer.end_offsets(lanes)
        except BaseException:
            await consumer.stop()
            raise
        self._heard_s = asyncio.get_running_loop().time()
        self._consumer = consumer
        return consumer

    async def _near_ends(self, consumer: AIOKafkaConsumer) -> None:
        """Sees how far it is. KafkaError when what is there has not come for too long."""
        async with asyncio.timeout(_ASK_S):
            behind = {lane: end for lane, end in self._ends.items() if await consumer.position(lane) < end}
        # A broker is asked for all partitions at once, and waits where one has no more: that one stands aside.
        consumer.pause(*(self._ends.keys() - behind.keys()))
        self._ends = behind
        if not behind:
            consumer.resume(*consumer.paused())
        now_s = asyncio.get_running_loop().time()
        if self._ends and now_s - self._heard_s > _SILENCE_S:
            self._heard_s = now_s
            raise self._failure("it sends nothing of what it has")

    def _read(self, record: ConsumerRecord) -> Entry | None:
        try:
            return read(record.key, record.value)
        except DataError as error:
            self._unreadable(error.reason)
            return None

    def _failure(self, why: str) -> KafkaError:
        return KafkaError(
            f"Kafka at {self._settings.kafka} does not let the topic {self._topic} be read ({why}); "
            "check that it runs and that `nextclick topics create` was run"
        )
