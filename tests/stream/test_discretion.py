"""Laws of what is written down for whoever looks after an installation: no shopper is named in it."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

import msgspec
import pytest

from nextclick.servers import Guardian
from schemas import keys
from schemas.click import Click
from schemas.settings import RedisUrl
from serving.state.pipeline import Call
from tests.kit import poison, rungs, topic
from tests.kit.command import nextclick
from tests.kit.defects import Defect
from tests.kit.load import message
from tests.kit.redis_server import RedisServer
from tests.kit.shop import Shop
from tests.kit.worker import Worker, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_WITHIN_S: Final = 120.0
_EVENTS: Final = "nextclick_events_total{"


@pytest.fixture
def redis(guardian: Guardian, shop: Shop) -> Iterator[RedisServer]:
    rungs.demand("redis-server")
    server = RedisServer(guardian, f"redis-{secrets.token_hex(4)}")
    shop.settings = replace(shop.settings, redis=RedisUrl(server.url), log_level="debug")
    yield server
    server.kill()


def test_neither_a_worker_nor_a_verb_names_a_shopper_whatever_they_meet(shop: Shop, redis: RedisServer) -> None:
    secret, variables = secrets.token_hex(8), environment(shop.settings)
    worker = shop.worker()
    worker.await_assigned()
    good, refused, erased, broken = (_clicks(shop, secret, part) for part in ("good", "refused", "erased", "broken"))

    # clicks, repeated, late, poisoned, and without consent
    late = [msgspec.structs.replace(click, event_id=f"{click.event_id}-late", ts=1) for click in good]
    poisoned = [(*kind(good[0]), ()) for kind in poison.KINDS.values()]
    without_consent = [msgspec.structs.replace(click, consent=False) for click in refused]
    sent = [*good, *good, *late, *refused, *without_consent, *erased]
    topic.produce(shop.settings.kafka, shop.names.clickstream, [*map(message, sent), *poisoned])
    topic.eventually(partial(_met, worker, len(refused)), "who gave no consent is forgotten", _WITHIN_S)

    # every verb that an operator runs beside it
    answers = [
        nextclick(*words, environment=variables)
        for words in (
            ("session", "erase", erased[0].session_id),
            ("doctor",),
            ("dead", "list"),
            ("dead", "replay", "--dry-run"),
        )
    ]
    topic.eventually(partial(_met, worker, len(refused) + 1), "who was to be is erased", _WITHIN_S)

    # a Redis that is away for a while, a look at what the worker does, and one of its keys spoiled
    redis.pause()
    shop.send(good)
    topic.eventually(lambda: " failed after " in worker.said(), "it misses Redis", _WITHIN_S)
    redis.resume()
    worker.signal(signal.SIGUSR1)
    topic.eventually(lambda: "asked for by a signal" in worker.said(), "it tells what it does", _WITHIN_S)
    told = [*worker.metrics(), str(worker.ready())]
    shop.ask([Call(("SET", keys.session(broken[0].session_id), "spoiled"))])
    shop.send(broken)
    assert worker.await_end(_WITHIN_S) == 70

    assert len(shop.letters()) >= len(poison.KINDS)
    assert "which is a defect" in worker.said()
    for said in (worker.said(), *told, *(answer.stdout + answer.stderr for answer in answers)):
        assert secret not in said


def test_a_worker_that_ends_on_a_defect_says_where_and_names_no_shopper(shop: Shop, redis: RedisServer) -> None:
    secret = secrets.token_hex(8)
    worker = shop.worker(*Defect.INDISCREET.module)

    shop.send(_clicks(shop, secret, "any"))

    assert worker.await_end(_WITHIN_S) == 70
    assert "the worker ends on a defect" in worker.said()
    assert "builtins.KeyError" in worker.said()
    assert "builtins.ValueError" in worker.said()
    assert "in _store_lists" in worker.said()
    assert secret not in worker.said()


def _clicks(shop: Shop, secret: str, part: str) -> list[Click]:
    """Whose session and whose user are called by the secret."""
    return [
        msgspec.structs.replace(click, session_id=f"{secret}-{part}-{n}", user_id=f"user-{secret}-{n}")
        for n, click in enumerate(shop.clicks(3, sessions=3))
    ]


def _met(worker: Worker, orders: int) -> bool:
    """So many orders to erase have come to it. Who gives one carries it out as well, and the worker may come second."""
    told = worker.metrics().items()
    return sum(count for name, count in told if name.startswith(_EVENTS) and 'type="erase"' in name) >= orders
