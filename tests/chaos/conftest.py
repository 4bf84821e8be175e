"""Servers that a campaign may harm, and the installation that stands on them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from nextclick.bench import conditions
from nextclick.servers import Guardian
from schemas.settings import RedisUrl, Settings
from tests.kit import rungs
from tests.kit.kafka_server import LASTING, KafkaServer
from tests.kit.rungs import Ability, Kafka


@pytest.fixture(scope="session", autouse=True)
def _conditions() -> None:
    print(f"\n{conditions.line('faust-streaming', 'aiokafka', 'redis')}; workers, Kafka, Redis and load on the same")


@pytest.fixture
def own_kafka(guardian: Guardian, kafka: Kafka) -> Iterator[KafkaServer]:
    kafka.require(Ability.OURS)
    server = rungs.real_kafka(guardian, f"kafka-{secrets.token_hex(4)}", LASTING).server
    assert server
    yield server
    server.kill()


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """On the shared servers, but for those that the test asked for as its own."""
    if "own_redis" in request.fixturenames:
        settings = replace(settings, redis=RedisUrl(request.getfixturevalue("own_redis").url))
    if "own_kafka" in request.fixturenames:
        settings = replace(settings, kafka=request.getfixturevalue("own_kafka").servers)
    return settings
