"""Laws of a Kafka that is killed under a worker: it comes back with its records, and no click counts twice."""

from __future__ import annotations

import secrets
from dataclasses import replace
from functools import partial
from typing import Final

import pytest

from nextclick.servers import Guardian
from schemas.settings import RedisUrl
from tests.kit import rungs, topic
from tests.kit.redis_server import RedisServer
from tests.kit.rungs import Kafka
from tests.kit.shop import Shop
from tests.kit.worker import Worker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_WITHIN_S: Final = 120.0
ROUNDS: Final = pytest.mark.parametrize(
    "rounds", [pytest.param(1, id="once"), pytest.param(5, id="again and again", marks=pytest.mark.chaos)]
)


@ROUNDS
@pytest.mark.needs("ours", "durable")
def test_a_kafka_that_is_killed_while_a_batch_is_folded_costs_nothing(
    guardian: Guardian, kafka: Kafka, shop: Shop, rounds: int
) -> None:
    """Redis is held meanwhile, so that Kafka is surely away when the batch is acknowledged and to be committed."""
    rungs.demand("redis-server")
    redis = RedisServer(guardian, f"redis-{secrets.token_hex(4)}")
    shop.settings = replace(shop.settings, redis=RedisUrl(redis.url))
    worker = shop.worker()
    worker.await_assigned()
    first = shop.clicks(1, sessions=1)
    shop.send(first)
    topic.eventually(partial(shop.has_folded, first, 1), "it has begun", _WITHIN_S)

    for _ in range(rounds):
        failures = _failures(worker)
        redis.pause()
        clicks = shop.clicks(200, sessions=20)
        shop.send(clicks)
        topic.eventually(partial(_has_failed, worker, failures), "a batch is under way", _WITHIN_S)
        assert kafka.server
        kafka.server.kill()
        try:
            redis.resume()
            topic.eventually(partial(shop.has_folded, clicks, 1), "it is folded without Kafka", _WITHIN_S)
        finally:
            kafka.server.start()  # the other tests' too
        shop.send(shop.clicks(40, sessions=40))
        topic.eventually(lambda: shop.sessions_that_differ() == [], "every session is the fold of the topic", _WITHIN_S)

    assert worker.stop() == 0, "it was the same worker all along"


def _failures(worker: Worker) -> int:
    return worker.said().count(" failed after ")


def _has_failed(worker: Worker, before: int) -> bool:
    return _failures(worker) > before
