"""Producing to and reading whole topics, as a test's own storefront and its own oracle do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from schemas import facts, profile, traits
from schemas.click import Click, EraseUser, encode, read
from schemas.errors import DataError
from schemas.profile import Profile, Trace, concerned
from schemas.session import Position, Record, State, fold
from schemas.settings import Settings
from serving.state import broker

_WAIT_S: Final = 60.0
_POLL_MS: Final = 200
_LOOK_S: Final = 0.05
#: How many times as long as it looks `eventually` rests: reading whole topics takes time from whoever fills them.
_REST: Final = 2
_REST_MOST_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Raw:
    """One record as the broker holds it."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    partition: int
    offset: int
    timestamp: int


def produce(
    servers: str,
    topic: str,
    records: Iterable[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]],
) -> list[Position]:
    """Where each record came to lie, by Kafka's own partitioner; the epoch is left empty."""
    producer = KafkaProducer(bootstrap_servers=servers, acks="all", max_request_size=2**21)
    try:
        futures = [producer.send(topic, key=key, value=value, headers=list(headers)) for key, value, headers in records]
        producer.flush(_WAIT_S)
        answers = [future.get(_WAIT_S) for future in futures]
    finally:
        producer.close(_WAIT_S)
    return [Position("", answer.partition, answer.offset) for answer in answers]


def produce_compressed(servers: str, topic: str, records: Iterable[tuple[bytes, bytes]], compression: str) -> None:
    """In one batch a partition, as far as they go into one."""

    async def whole() -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=servers, acks="all", compression_type=compression, max_request_size=2**24, linger_ms=50,
            max_batch_size=2**23,
        )  # fmt: skip
        await producer.start()
        try:
            await asyncio.gather(*[await producer.send(topic, value, key=key) for key, value in records])
        finally:
            await producer.stop()

    asyncio.run(whole())


def produce_one_by_one(servers: str, topic: str, clicks: Iterable[Click]) -> None:
    """Each in a transaction of its own, which leaves a control record behind it, an offset without a record."""

    async def whole() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=servers, transactional_id=f"one-by-one-{topic}")
        await producer.start()
        try:
            for click in clicks:
                async with producer.transaction():
                    await producer.send(topic, encode(click), key=click.session_id.encode())
        finally:
            await producer.stop()

    asyncio.run(whole())


def produce_dated(servers: str, topic: str, clicks: Iterable[Click]) -> None:
    """Each as if it had come when it was made, where the topic lets producers say so."""
    producer = KafkaProducer(bootstrap_servers=servers, acks="all")
    try:
        futures = [
            producer.send(topic, key=click.session_id.encode(), value=encode(click), timestamp_ms=int(click.ts))
            for click in clicks
        ]
        producer.flush(_WAIT_S)
        assert all(future.succeeded() for future in futures)
    finally:
        producer.close(_WAIT_S)


def produce_clicks(servers: str, topic: str, clicks: Iterable[Click]) -> list[Position]:
    return produce(servers, topic, [(click.session_id.encode(), encode(click), ()) for click in clicks])


def read_all(servers: str, topic: str, within_s: float = _WAIT_S) -> list[Raw]:
    """Everything on a topic up to its present end, in the order of its partitions."""
    return sorted(each(servers, topic, within_s), key=lambda raw: (raw.partition, raw.offset))


def each(servers: str, topic: str, within_s: float = _WAIT_S) -> Iterator[Raw]:
    """The same, one record at a time; in order within each partition, whatever order the partitions come in."""
    # Without checksums, which this client reckons in Python at 4 MB/s; the broker has checked them.
    consumer = KafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False, auto_offset_reset="earliest",
                             group_id=None, check_crcs=False)  # fmt: skip
    try:
        lanes = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(lanes)
        ends = consumer.end_offsets(lanes)
        consumer.seek_to_beginning(*lanes)
        deadline = time.monotonic() + within_s
        while any(consumer.position(lane) < end for lane, end in ends.items()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic} was not read to its end within {within_s:g} s")
            for records in consumer.poll(timeout_ms=_POLL_MS).values():
                for one in records:
                    yield Raw(one.key, one.value, tuple(one.headers), one.partition, one.offset, one.timestamp)
    finally:
        consumer.close()


def configure(settings: Settings, topic: str, config: Mapping[str, str]) -> None:
    """Other settings for a topic that is there; the broker has them when this returns."""
    with broker.asked(settings, _WAIT_S) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, dict(config))])


def delete(settings: Settings, topic: str) -> None:
    """Returns when it is gone: Kafka says yes to the order, and goes on taking records for a while."""
    until = time.monotonic() + _WAIT_S
    with broker.asked(settings, _WAIT_S) as admin:
        admin.delete_topics([topic])
        while topic in admin.list_topics():
            assert time.monotonic() < until, f"{topic} is still there"
            time.sleep(_LOOK_S)


def delete_records(settings: Settings, topic: str, before: Mapping[int, int]) -> None:
    """Partition -> the offset at which its log begins from now on."""
    with broker.asked(settings, _WAIT_S) as admin:
        admin.delete_records({TopicPartition(topic, partition): offset for partition, offset in before.items()})


@dataclass(frozen=True, slots=True)
class Oracle:
    """What must be kept: the topic as the broker holds it, folded by one thread of Python."""

    sessions: dict[str, dict[bytes, bytes]]
    users: dict[str, dict[bytes, bytes]]


def oracle(raws: Iterable[Raw], epoch: str) -> Oracle:
    states: dict[str, State] = {}
    profiles: dict[str, Profile] = {}
    for raw in raws:
        try:
            event = read(raw.key, raw.value, raw.headers)
        except DataError:
            continue
        position = Position(epoch, raw.partition, raw.offset)
        if not isinstance(event, EraseUser):
            record = Record(event, raw.timestamp, position)
            states[event.session_id], _ = fold(states.get(event.session_id, State()), record)
        if (user_id := concerned(event)) is not None:
            trace = Trace(event if isinstance(event, Click) else None, raw.timestamp, position)
            profiles[user_id], _ = profile.fold(profiles.get(user_id, Profile()), trace)
    sessions = {name: facts.encode(state.session) if state.session else {} for name, state in states.items()}
    return Oracle(sessions, {user_id: traits.encode(kept) for user_id, kept in profiles.items()})


def eventually(holds: Callable[[], bool], what: str, timeout_s: float = _WAIT_S, every_s: float = 0.1) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        looked = time.monotonic()
        if holds():
            return
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        time.sleep(max(every_s, min(_REST * (now - looked), _REST_MOST_S)))
