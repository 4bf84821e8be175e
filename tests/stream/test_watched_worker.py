"""Laws of what a worker says of itself, with a real worker process between a real Kafka and a real Redis."""

from __future__ import annotations

import asyncio
import secrets
import signal
from dataclasses import replace
from math import nan

import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaAdminClient, TopicPartition

from nextclick.servers import Guardian
from schemas.click import Click, encode
from schemas.settings import RedisUrl
from tests.kit import topic
from tests.kit.redis_server import RedisServer
from tests.kit.shop import Shop
from tests.kit.worker import Worker


def lags(worker: Worker) -> list[float]:
    told = worker.metrics()
    return [told.get(f'nextclick_lag_records{{partition="{number}"}}', nan) for number in range(4)]


def test_a_worker_is_ready_when_it_has_caught_up_and_then_says_what_it_lacks(guardian: Guardian, shop: Shop) -> None:
    redis = RedisServer(guardian, f"redis-{secrets.token_hex(4)}")
    shop.settings = replace(shop.settings, redis=RedisUrl(redis.url))
    shop.send(shop.clicks(200, sessions=20))
    worker = shop.worker()

    seen: list[int] = []

    def is_ready() -> bool:
        seen.append(worker.ready()[0])
        return seen[-1] == 200

    topic.eventually(is_ready, "it is ready", 60, every_s=0.02)
    assert set(seen) == {0, 503, 200}, "nobody answers, it starts, it is ready"
    topic.eventually(lambda: lags(worker) == [0] * 4, "it has caught up")
    _, body = worker.ready()
    assert body | {"model": None} == {
        "ready": True,
        "draining": False,
        "assigned": True,
        "caught_up": True,
        "model": None,
        "degraded": [],
        "partitions": [{"partition": number, "lag": 0, "behind_s": 0.0} for number in range(4)],
    }
    told = worker.metrics()
    assert told[f'nextclick_model{{version="{body["model"]}"}}'] == 1
    assert told["nextclick_assigned_partitions"] == 4

    redis.pause()
    shop.send(shop.clicks(40, sessions=40))
    topic.eventually(lambda: worker.ready()[1]["degraded"] == ["redis"], "it says that it lacks Redis")
    assert worker.ready()[0] == 200
    assert worker.metrics()['nextclick_degraded{service="redis"}'] == 1
    topic.eventually(lambda: sum(lags(worker)) > 0, "it says that clicks wait")

    redis.resume()
    topic.eventually(lambda: worker.ready()[1]["degraded"] == [], "it lacks nothing any more")
    topic.eventually(lambda: lags(worker) == [0] * 4, "nothing waits any more")
    assert worker.stop() == 0


@pytest.mark.chaos
@pytest.mark.needs("idempotent_async")
def test_the_marker_of_a_transaction_is_no_record_that_waits(shop: Shop) -> None:
    worker = shop.worker()
    worker.await_assigned()

    in_transactions(shop, shop.clicks(40, sessions=40))

    topic.eventually(lambda: shop.sessions_that_differ() == [], "all are folded")
    topic.eventually(lambda: lags(worker) == [0] * 4, "nothing waits")
    assert worker.stop() == 0


@pytest.mark.chaos
@pytest.mark.needs("strict")
def test_records_that_retention_removed_are_none_that_wait(shop: Shop) -> None:
    shop.send(shop.clicks(100, sessions=40))
    lanes = [TopicPartition(shop.names.clickstream, number) for number in range(4)]
    admin = KafkaAdminClient(bootstrap_servers=shop.settings.kafka)
    admin.delete_records(dict.fromkeys(lanes, -1))
    admin.close()

    worker = shop.worker()

    topic.eventually(lambda: worker.ready()[0] == 200, "a group that begins behind them is ready", 60)
    assert lags(worker) == [0] * 4
    assert worker.stop() == 0


def test_no_partition_waits_until_the_backlog_of_another_is_done(shop: Shop) -> None:
    """By itself the client would hand over a mebibyte of one partition, some 5,000 clicks, before the next one's."""
    clicks = shop.clicks(12_000, sessions=200)
    shop.send(clicks)
    raws = topic.read_all(shop.settings.kafka, shop.names.clickstream)
    homes = {raw.key.decode(): raw.partition for raw in raws if raw.key is not None}
    lanes = [[click for click in clicks if homes[click.session_id] == number] for number in range(4)]
    assert min(map(len, lanes)) > 1_000
    seen: list[list[int]] = []

    def is_on_its_way() -> bool:
        seen.append([shop.folded(lane) for lane in lanes])
        return sum(seen[-1]) >= 2_000

    worker = shop.worker()
    topic.eventually(is_on_its_way, "2,000 are folded", 120, every_s=0.01)
    worker.kill()

    assert sum(seen[-1]) <= 4_000, "nobody looked while the backlog was being worked off"
    assert min(seen[-1]) > 0, seen[-1]


def test_asked_by_a_signal_a_worker_tells_what_it_does_and_nothing_of_what_it_holds(shop: Shop) -> None:
    worker = shop.worker()
    worker.await_assigned()
    clicks = shop.clicks(20, sessions=20)
    shop.send(clicks)
    topic.eventually(lambda: shop.folded(clicks) == 20, "it is at work")

    worker.signal(signal.SIGUSR1)

    topic.eventually(lambda: "asked for by a signal" in worker.said(), "it has answered")
    topic.eventually(lambda: "thread watchdog:" in worker.said(), "to the end")
    assert not any(click.session_id in worker.said() for click in clicks)
    assert worker.stop() == 0


def in_transactions(shop: Shop, clicks: list[Click]) -> None:
    async def whole() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=shop.settings.kafka, transactional_id=secrets.token_hex(4))
        await producer.start()
        try:
            for click in clicks:
                async with producer.transaction():
                    await producer.send_and_wait(shop.names.clickstream, encode(click), key=click.session_id.encode())
        finally:
            await producer.stop()

    asyncio.run(whole())
