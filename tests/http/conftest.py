"""Endpoints that answer: real processes on a real Kafka and a real Redis, with the demo's bundle."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from nextclick.servers import Guardian
from schemas.settings import Settings
from schemas.topics import Topics
from serving.http.keys import entry
from serving.state import topics
from tests.kit import doors
from tests.kit.endpoint import Endpoint
from tests.kit.rungs import Kafka
from tests.kit.shop import Shop

_UNLIMITED = "99999/99999"


@pytest.fixture(scope="session")
def installation(guardian: Guardian, kafka: Kafka, redis_server: str) -> Shop:
    """One that all these tests share: each keeps to sessions of its own. Key and tokens are those of doors.py."""
    unique = secrets.token_hex(4)
    environment = {
        "NEXTCLICK_KAFKA": kafka.servers,
        "NEXTCLICK_REDIS": redis_server,
        "NEXTCLICK_TOPIC_PREFIX": f"t{unique}.",
        "NEXTCLICK_GROUP": f"g{unique}",
        "NEXTCLICK_PARTITIONS": "4",
        "NEXTCLICK_SITE": doors.SITE,
        "NEXTCLICK_SITE_KEYS": entry("web", doors.KEY),
        "NEXTCLICK_TOKEN_SECRETS": doors.SIGNING.reveal(),
        **{f"NEXTCLICK_{each}_LIMIT": _UNLIMITED for each in ("KEY", "SESSION", "ADDRESS")},
        # A machine that runs tests beside these keeps Redis waiting; that it is not away is what they stand on.
        "NEXTCLICK_REDIS_READ_MS": "2000",
    }
    settings = Settings.read(environment, {})
    topics.create(settings, 30)
    names = Topics.named(settings.topic_prefix)
    return Shop(guardian, settings, names, topics.epoch(settings, names.clickstream, 10))


@pytest.fixture(scope="session")
def guarded(guardian: Guardian, installation: Shop) -> Iterator[Endpoint]:
    """With every check on, and limits that nobody reaches."""
    yield from _answering(guardian, installation.settings)


@pytest.fixture(scope="session")
def unguarded(guardian: Guardian, installation: Shop) -> Iterator[Endpoint]:
    """Where whoever asks may name any session, so that what lies behind the guard meets whatever comes."""
    yield from _answering(guardian, replace(installation.settings, security="off"))


def _answering(guardian: Guardian, settings: Settings) -> Iterator[Endpoint]:
    endpoint = Endpoint(guardian, settings)
    endpoint.await_ready()
    yield endpoint
    endpoint.stop()
