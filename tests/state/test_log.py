"""Laws of reading a topic without a group, on whatever Kafka there is."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from nextclick.sandbox import Sandbox
from nextclick.servers import Guardian, free_port
from schemas.errors import KafkaError
from schemas.session import Position
from schemas.settings import Settings
from schemas.topics import Topics
from serving.state import topics
from serving.state.log import Log
from tests.kit import topic
from tests.kit.shop import Shop

T = TypeVar("T")


@pytest.fixture(params=["kafka", "embedded"])
def anywhere(request: pytest.FixtureRequest, guardian: Guardian, sandbox: Sandbox) -> Shop:
    """A shop on the run's own Kafka and, whatever that is, one on the embedded broker."""
    if request.param == "kafka":
        shop: Shop = request.getfixturevalue("shop")
        return shop
    variables = {"KAFKA": sandbox.kafka, "TOPIC_PREFIX": f"t{secrets.token_hex(4)}.", "PARTITIONS": "4"}
    settings = Settings.read({f"NEXTCLICK_{name}": value for name, value in variables.items()}, {})
    topics.create(settings, 30)
    return Shop(guardian, settings, Topics.named(settings.topic_prefix), "")


def ask(shop: Shop, body: Callable[[Log], Awaitable[T]]) -> T:
    async def whole() -> T:
        log = Log(shop.settings, shop.names.clickstream, 20)
        try:
            return await body(log)
        finally:
            await log.close()

    return asyncio.run(whole())


def sent(shop: Shop, count: int) -> Position:
    """Where the last of so many clicks of one session lies, and hence all before it in its partition."""
    clicks = shop.clicks(count, sessions=1)
    return topic.produce_clicks(shop.settings.kafka, shop.names.clickstream, clicks)[-1]


def test_a_log_begins_at_0_unless_its_first_records_were_deleted(anywhere: Shop) -> None:
    last = sent(anywhere, 5)
    other = (last.partition + 1) % 4

    assert ask(anywhere, lambda log: log.starts([last.partition, other])) == {last.partition: 0, other: 0}
    assert ask(anywhere, lambda log: log.next(last.partition, 3)) == 3


def test_a_moment_is_found_as_the_first_record_at_or_after_it(anywhere: Shop) -> None:
    before = time.time_ns() // 1_000_000 - 60_000
    last = sent(anywhere, 5)
    after = time.time_ns() // 1_000_000 + 60_000

    assert ask(anywhere, lambda log: log.since({last.partition: before})) == {last.partition: 0}
    assert ask(anywhere, lambda log: log.since({last.partition: after})) == {}
    assert ask(anywhere, lambda log: log.since({})) == {}


@pytest.mark.needs("idempotent_async")
def test_the_next_record_lies_behind_what_transactions_leave(shop: Shop) -> None:
    clicks = shop.clicks(4, sessions=1)
    topic.produce_one_by_one(shop.settings.kafka, shop.names.clickstream, clicks)
    partition = topic.read_all(shop.settings.kafka, shop.names.clickstream)[0].partition

    async def walk(log: Log) -> list[int]:
        return [await log.next(partition, offset) for offset in range(7)]

    assert ask(shop, walk) == [0, 2, 2, 4, 4, 6, 6]


@pytest.mark.needs("strict")
def test_a_log_whose_first_records_were_deleted_begins_later(shop: Shop) -> None:
    last = sent(shop, 9)
    topic.delete_records(shop.settings, shop.names.clickstream, {last.partition: 6})

    assert ask(shop, lambda log: log.starts([last.partition])) == {last.partition: 6}
    assert ask(shop, lambda log: log.next(last.partition, 6)) == 6
    with pytest.raises(KafkaError):
        ask(shop, lambda log: log.next(last.partition, 3))


def test_a_kafka_that_is_away_is_told_within_the_deadline(shop: Shop) -> None:
    async def body() -> None:
        await Log(replace(shop.settings, kafka=f"127.0.0.1:{free_port()}"), shop.names.clickstream, 2).starts([0])

    with pytest.raises(KafkaError, match="check that it runs"):
        asyncio.run(body())
