"""A process that nobody asks anything for a while still knows how Redis is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nextclick.servers import Guardian
from schemas.settings import RedisUrl
from tests.kit.dial import exchange
from tests.kit.endpoint import Endpoint
from tests.kit.redis_server import RedisServer
from tests.kit.shop import Shop
from tests.kit.topic import eventually

CIRCUIT = "nextclick_http_redis_circuit"
ASKED = b"GET /v1/recommendations/nobody HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"


@pytest.mark.timeout(300)
def test_a_redis_that_is_back_is_noticed_where_nobody_asks(
    guardian: Guardian, installation: Shop, own_redis: RedisServer
) -> None:
    endpoint = Endpoint(guardian, replace(installation.settings, security="off", redis=RedisUrl(own_redis.url)))
    endpoint.await_ready()
    own_redis.kill()
    eventually(lambda: fallback(endpoint) == "redis" and endpoint.metrics()[CIRCUIT] > 0, "it is missed", 60)

    own_redis.start()

    eventually(lambda: knows_it(endpoint), "it is known to be back", 30)
    assert fallback(endpoint) == "popular"
    assert endpoint.stop() == 0


def knows_it(endpoint: Endpoint) -> bool:
    return endpoint.metrics()[CIRCUIT] == 0 and endpoint.ready()[1]["degraded"] == []


def fallback(endpoint: Endpoint) -> str:
    [answer] = exchange(endpoint.port, ASKED)
    return answer.header("nextclick-fallback")
