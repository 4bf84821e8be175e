"""Nobody asks more often than they may, whichever process they ask; and a Redis that is away refuses nobody."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from schemas import keys
from schemas.settings import RedisUrl
from serving.http.buckets import Buckets, Rate
from serving.http.limits import answers, question
from serving.state.pipeline import Pipeline

#: So slow that none of them comes back while a test runs.
SLOW = Rate(1, 3)


def names(count: int) -> list[str]:
    run = secrets.token_hex(4)
    return [keys.bucket("key", f"{run}-{n}") for n in range(count)]


def with_redis(url: str, work: Callable[[Pipeline], Awaitable[None]]) -> None:
    async def whole() -> None:
        pipeline = Pipeline(RedisUrl(url))
        try:
            await work(pipeline)
        finally:
            await pipeline.close()

    asyncio.run(whole())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("redis_url", ["server", "embedded", "cluster"], indirect=True)
def test_lua_and_python_admit_and_refuse_the_same(redis_url: str, seed: int) -> None:
    random = Random(seed)
    rates = [Rate(random.choice((1, 50, 900, 7_000)), random.choice((1, 2, 10))) for _ in range(6)]
    buckets = [rate.bucket("key", name) for rate, name in zip(rates, names(6), strict=True)]
    own = Buckets()
    met: set[bool] = set()

    async def whole(pipeline: Pipeline) -> None:
        for _ in range(150):
            requests = [random.sample(buckets, random.randint(1, 4)) for _ in range(random.choice((1, 1, 5, 40)))]
            (reply,) = await pipeline.run([question(requests)])
            assert isinstance(reply, list)
            expected = [own.take(request, int(reply[0])) for request in requests]
            assert answers(requests, reply) == expected
            met.update(each is None for each in expected)

    with_redis(redis_url, whole)

    assert met == {True, False}
