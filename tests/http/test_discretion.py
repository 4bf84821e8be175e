"""Laws of what an endpoint writes down: no session, user, address, key or token, whoever asks and whatever fails."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import pytest

from nextclick.servers import Guardian
from schemas import keys
from schemas.settings import RedisUrl
from serving.http.keys import entry
from serving.state.pipeline import Call
from tests.kit import doors, lists
from tests.kit.client import Client, Reply
from tests.kit.dial import Dial, exchange
from tests.kit.endpoint import Endpoint
from tests.kit.redis_server import RedisServer
from tests.kit.shop import ITEMS, Shop
from tests.kit.topic import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_ADDRESS: Final = "203.0.113.77"
_WITHIN_S: Final = 120.0


@pytest.fixture
def shop(installation: Shop, own_redis: RedisServer) -> Shop:
    """One whose every secret has the same word in it, and where addresses are those that a proxy tells."""
    settings = replace(
        installation.settings,
        redis=RedisUrl(own_redis.url),
        site_keys=entry("web", _key(own_redis)),
        trusted_proxies="127.0.0.1/32",
        log_level="debug",
    )
    return replace(installation, settings=settings)


@dataclass(frozen=True)
class Shopper:
    """A session and a user that are called by the word, as is the key; and what else of them must not be told."""

    word: str
    key: str

    @property
    def session_id(self) -> str:
        return f"s-{self.word}"

    @property
    def token(self) -> str:
        return doors.token(self.session_id, f"u-{self.word}", now=time.time())

    @property
    def never_told(self) -> list[str]:
        return [self.word, _ADDRESS, *self.token.split(".")[2:]]


def _key(redis: RedisServer) -> str:
    return f"pub_{redis.directory.name}-of-this-test"


def requests(shopper: Shopper, position: str) -> Iterator[tuple[str, str, Any]]:
    """Good ones, and such as are refused, of every kind."""
    own, word = f"/v1/recommendations/{shopper.session_id}", shopper.word
    event = {"event_id": f"e-{word}", "type": "view", "item_id": ITEMS[0]}
    for query in ("", f"?after={position}", "?wait=1", f"?exclude={word}", f"?limit={word}", f"?{word}=1"):
        yield "GET", own + query, None
    yield "GET", f"/v1/items/{ITEMS[0]}/similar?session_id={shopper.session_id}", None
    yield "GET", f"/v1/items/{word}/similar", None
    yield "GET", f"/{word}", None
    yield "PUT", own, None
    yield "POST", "/v1/rank", {"session_id": shopper.session_id, "candidates": [ITEMS[0], word]}
    yield "POST", "/v1/rank", {"session_id": shopper.session_id, "candidates": word, word: word}
    yield "POST", "/v1/events", event
    yield "POST", "/v1/events", [{**event, "session_id": f"other-{word}"}, {**event, "type": word}, word]
    yield "POST", "/v1/events", f"{{{word}"
    yield "DELETE", f"/v1/sessions/other-{word}", None
    yield "DELETE", f"/v1/sessions/{shopper.session_id}", None
    yield "DELETE", f"/v1/users/u-{word}", None


def test_an_endpoint_names_nobody_whatever_it_is_asked(shop: Shop, own_redis: RedisServer, guardian: Guardian) -> None:
    shopper = Shopper(secrets.token_hex(8), _key(own_redis))
    endpoint = Endpoint(guardian, shop.settings)
    endpoint.await_ready()
    eventually(lambda: endpoint.ready()[1]["degraded"] == [], "it has all that it needs", _WITHIN_S)

    # with Redis, without, and with a Redis in which the session is spoiled
    [position] = lists.put(shop.settings, shop.epoch, [shopper.session_id]).values()
    met = ask_all(endpoint, shopper, position)
    own_redis.kill()
    met |= ask_all(endpoint, shopper, position)
    own_redis.start()
    eventually(lambda: endpoint.ready()[1]["degraded"] == [], "it has Redis again", _WITHIN_S)
    names = (keys.session(shopper.session_id), keys.recommendation(shopper.session_id))
    shop.ask([Call(("SET", name, shopper.word)) for name in names])
    met |= ask_all(endpoint, shopper, position)
    told = [str(endpoint.metrics()), str(endpoint.ready())]
    assert endpoint.stop() == 0

    assert {200, 202, 204, 400, 401, 403, 404, 405} <= met
    for said in (endpoint.said(), *told):
        assert [each for each in (*shopper.never_told, shopper.key) if each in said] == []


def test_an_endpoint_that_fails_on_a_defect_says_where_and_names_nobody(
    shop: Shop, own_redis: RedisServer, guardian: Guardian
) -> None:
    shopper = Shopper(secrets.token_hex(8), _key(own_redis))
    endpoint = Endpoint(guardian, shop.settings, "tests.http.indiscreet", "serve")
    endpoint.await_ready()

    ask_all(endpoint, shopper, "0badcafe.0.1")
    assert endpoint.stop() == 0

    for said in ("a request failed on a defect", "an answer broke off on a defect", "in answer", "in events"):
        assert said in endpoint.said()
    for kind in ("builtins.KeyError", "builtins.ValueError", "builtins.LookupError"):
        assert kind in endpoint.said()
    assert [each for each in (*shopper.never_told, shopper.key) if each in endpoint.said()] == []


def ask_all(endpoint: Endpoint, shopper: Shopper, position: str) -> set[int]:
    """The statuses that came."""
    proof = {"X_Api_Key": shopper.key, "X_Session_Token": shopper.token, "X_Forwarded_For": _ADDRESS}
    strange = {**proof, "X_Api_Key": f"pub_{shopper.word}", "X_Session_Token": f"{shopper.token}x"}

    async def asked() -> list[Reply]:
        async with Client(endpoint.port) as client:
            return [
                await client.ask(method, path, _body(body), **given)
                for given in (strange, proof)
                for method, path, body in requests(shopper, position)
            ]

    replies = asyncio.run(asyncio.wait_for(asked(), _WITHIN_S))
    own = f"/v1/recommendations/{shopper.session_id}"
    for query in (f"?key={shopper.key}&token={shopper.token}", f"?key={shopper.key}&placement={shopper.word}"):
        with Dial(endpoint.port) as dial:
            dial.send(f"GET {own}/stream{query} HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: {_ADDRESS}\r\n\r\n".encode())
            dial.hear(1)
    broken = (f"{shopper.word}\r\n\r\n", f"GET {own} HTTP/1.1\r\n{shopper.word}\r\n\r\n", f"GET /{shopper.word * 999}")
    for sent in broken:
        exchange(endpoint.port, f"{sent}\r\n\r\n".encode())
    return {reply.status for reply in replies}


def _body(body: object) -> bytes:
    return b"" if body is None else body.encode() if isinstance(body, str) else msgspec.json.encode(body)
