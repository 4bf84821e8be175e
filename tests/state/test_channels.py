"""Whoever listens is told of every new list, and of every time that some may have been missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from schemas.settings import RedisUrl
from serving.state.channels import Channels
from serving.state.pipeline import Call, Pipeline
from tests.kit import rungs
from tests.kit.patience import until
from tests.kit.redis_cluster import RedisCluster
from tests.kit.redis_server import RedisServer

_SILENT_S = 0.3


class _Ear:
    """What has been told so far."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.beginnings = 0

    def missed(self) -> None:
        self.beginnings += 1


@asynccontextmanager
async def _listening(url: str, ear: _Ear) -> AsyncIterator[tuple[Channels, Callable[[str], Awaitable[object]]]]:
    channels, pipeline = Channels(RedisUrl(url), _SILENT_S), Pipeline(RedisUrl(url))
    listening = asyncio.create_task(channels.listen(ear.told.append, ear.missed))
    yield channels, lambda name: pipeline.run([Call(("PUBLISH", "rec.0", f"{name} 1.2.3".encode("latin-1")))])
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    await pipeline.close()


@pytest.mark.parametrize("kind", ["redis_server", "redis_cluster"])
def test_whoever_listens_is_told_whose_list_changed_however_long_nobody_said_anything(
    request: pytest.FixtureRequest, kind: str, sid: str
) -> None:
    async def whole() -> None:
        ear = _Ear()
        async with _listening(request.getfixturevalue(kind), ear) as (channels, tell):
            await until(lambda: channels.hears)
            await tell(f"{sid}-1")
            await until(lambda: f"{sid}-1" in ear.told)

            # asked whether it is still there, it says that it is
            await asyncio.sleep(4 * _SILENT_S)

            await tell(f"{sid}-2")
            await until(lambda: f"{sid}-2" in ear.told)
            assert channels.hears
            assert ear.beginnings == 1

    asyncio.run(whole())


def test_what_somebody_else_says_there_is_not_the_end_of_it(redis_server: str, sid: str) -> None:
    async def whole() -> None:
        ear = _Ear()
        async with _listening(redis_server, ear) as (channels, tell):
            await until(lambda: channels.hears)
            await tell("\xff")
            await tell(sid)
            await until(lambda: sid in ear.told)

    asyncio.run(whole())


@pytest.mark.parametrize("ends", [RedisServer.pause, RedisServer.kill], ids=["frozen", "killed"])
def test_one_that_is_gone_is_noticed_and_heard_again_when_it_is_back(
    own_redis: RedisServer, ends: Callable[[RedisServer], None]
) -> None:
    rungs.demand("redis-server")

    async def whole() -> None:
        ear = _Ear()
        async with _listening(own_redis.url, ear) as (channels, tell):
            await until(lambda: channels.hears)

            ends(own_redis)
            await until(lambda: not channels.hears)
            if ends is RedisServer.pause:
                own_redis.resume()
            else:
                await asyncio.to_thread(own_redis.start)

            # then whoever waits is told to look by himself, and of what comes
            await until(lambda: ear.beginnings == 2)
            await tell("after")
            await until(lambda: "after" in ear.told)

    asyncio.run(whole())


def test_of_a_cluster_another_node_tells_when_the_one_that_is_named_is_gone(cluster: RedisCluster, sid: str) -> None:
    named, *others = cluster.nodes

    async def whole() -> None:
        ear = _Ear()
        async with _listening(cluster.url, ear) as (channels, _):
            await until(lambda: channels.hears)
            named.pause()
            try:
                for node in others:
                    node.ask("CLIENT KILL TYPE pubsub")
                await until(lambda: not channels.hears)
                await until(lambda: channels.hears)
                others[0].ask(f"PUBLISH rec.0 {sid}")
                await until(lambda: sid in ear.told)
            finally:
                named.resume()

    asyncio.run(whole())


def test_whoever_may_not_listen_hears_nothing_and_is_told_so_once(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    own_redis.ask("ACL SETUSER deaf on >word ~* +@all resetchannels")

    async def whole() -> None:
        ear = _Ear()
        async with _listening(own_redis.url.replace("://", "://deaf:word@"), ear) as (channels, _):
            await until(lambda: bool(caplog.messages))
            await asyncio.sleep(1.5)  # it is tried again meanwhile
            assert (channels.hears, ear.beginnings) == (False, 0)

    asyncio.run(whole())

    assert len([line for line in caplog.messages if "nobody tells of new lists" in line]) == 1
