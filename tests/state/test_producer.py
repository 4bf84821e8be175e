"""Laws of the producer: of every record it is known whether Kafka has it, and where."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from nextclick.servers import LOOPBACK, free_port
from schemas.errors import KafkaError
from schemas.settings import Settings
from schemas.topics import Topics
from serving.state import topics
from serving.state.producer import Outgoing, Placed, Producer, Undelivered
from tests.kit import topic
from tests.kit.shop import Shop

T = TypeVar("T")
NOW = 1_700_000_000_000


def with_producer(
    settings: Settings, body: Callable[[Producer], Awaitable[T]], now: Callable[[], int] = lambda: NOW
) -> T:
    async def whole() -> T:
        producer = Producer(settings, 10, now)
        await producer.start()
        try:
            return await body(producer)
        finally:
            await producer.stop()

    return asyncio.run(whole())


def test_every_record_lies_where_it_is_told_to_with_the_time_that_is_told(shop: Shop) -> None:
    name = shop.names.clickstream
    records = [Outgoing(name, f"s{n}".encode(), f"{n}".encode()) for n in range(50)]

    placed = with_producer(shop.settings, lambda producer: producer.send(records))

    lying = {(raw.partition, raw.offset): raw for raw in topic.read_all(shop.settings.kafka, name)}
    assert len(lying) == 50
    for record, place in zip(records, placed, strict=True):
        raw = lying[place.partition, place.offset]
        assert (raw.key, raw.value, raw.timestamp) == (record.key, record.value, place.record_time)


def test_where_the_broker_stamps_nothing_each_record_has_our_time(shop: Shop) -> None:
    name, times = shop.names.recommendations, iter(range(NOW, NOW + 1_000))

    async def whole(producer: Producer) -> list[Placed]:
        together = [producer.send([Outgoing(name, b"s1", b"1")] * 2) for _ in range(200)]
        return [place for placed in await asyncio.gather(*together) for place in placed]

    placed = with_producer(shop.settings, whole, lambda: next(times))

    lying = {raw.offset: raw.timestamp for raw in topic.read_all(shop.settings.kafka, name)}
    assert {place.offset: place.record_time for place in placed} == lying
    assert sorted(set(lying.values())) == list(range(NOW, NOW + 200))


def test_of_a_request_that_fails_in_part_it_is_known_which(shop: Shop) -> None:
    # given records, the second of which is more than the client sends
    there = Outgoing(shop.names.clickstream, b"s1", b"1")
    too_large = Outgoing(shop.names.clickstream, b"s1", b"x" * 3 * 2**20)

    # when
    with pytest.raises(Undelivered) as failure:
        with_producer(shop.settings, lambda producer: producer.send([there, too_large, there]))

    # then what was handed over before it is told of, and none behind it goes
    first, *rest = failure.value.placed
    assert isinstance(first, Placed)
    assert rest == [None, None]
    assert len(topic.read_all(shop.settings.kafka, shop.names.clickstream)) == 1


def test_a_producer_that_could_not_start_may_be_started_again(settings: Settings) -> None:
    async def whole() -> None:
        producer = Producer(replace(settings, kafka=f"{LOOPBACK}:{free_port()}"), 1)
        for _ in range(2):
            with pytest.raises(KafkaError):
                await producer.start()

    asyncio.run(whole())


@pytest.mark.needs("strict")
def test_a_topic_that_is_not_there_is_told_in_time(settings: Settings) -> None:
    async def whole() -> tuple[Placed | None, ...]:
        producer = Producer(settings, 1)
        await producer.start()
        try:
            async with asyncio.timeout(20):
                with pytest.raises(Undelivered) as failure:
                    await producer.send([Outgoing(Topics.named(settings.topic_prefix).clickstream, b"s1", b"1")])
        finally:
            await producer.stop()
        return failure.value.placed

    assert topics.missing(settings, 10)
    assert asyncio.run(whole()) == (None,)
