"""Whatever interrupts a question, the next one gets its own answer."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from nextclick.servers import LOOPBACK, Guardian
from schemas.errors import RedisError
from schemas.settings import RedisUrl
from serving.state.pipeline import Call, Pipeline
from tests.kit import rungs
from tests.kit.redis_cluster import RedisCluster
from tests.kit.redis_server import RedisServer


@pytest.mark.parametrize("kind", ["redis_server", "redis_cluster"])
def test_an_interrupted_question_leaves_its_answer_to_nobody(
    request: pytest.FixtureRequest, kind: str, sid: str
) -> None:
    async def whole() -> None:
        # given a question that waits until something is pushed, and whose asker does not
        pipeline = Pipeline(RedisUrl(request.getfixturevalue(kind)))
        key = f"{{{sid}}}:late"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pipeline.run([Call(("BLPOP", key, 0))]), 0.2)

        # when its answer comes
        mine = f"{{{sid}}}:mine"
        await pipeline.run([Call(("SET", mine, "mine", "EX", 60)), Call(("RPUSH", key, "late")), Call(("DEL", key))])

        # then
        assert await pipeline.run([Call(("GET", mine))] * 3) == [b"mine"] * 3
        await pipeline.close()

    asyncio.run(whole())


@pytest.fixture
def own(guardian: Guardian) -> Iterator[RedisServer]:
    rungs.demand("redis-server")
    server = RedisServer(guardian, "redis-of-the-pipeline-tests")
    yield server
    server.resume()
    server.kill()


def test_a_frozen_redis_is_given_up_and_answers_when_it_thaws(own: RedisServer) -> None:
    async def whole() -> None:
        pipeline = Pipeline(RedisUrl(own.url), 0.3)
        # given one that has been asked before, and one that would have to be reached first
        await pipeline.run([Call(("SET", "a", "1"))])
        strange = Pipeline(RedisUrl(own.url), 0.3)
        own.pause()

        # when
        for each in (pipeline, strange):
            with pytest.raises(RedisError, match="does not answer"):
                await each.run([Call(("GET", "a"))])
        own.resume()

        # then
        for each in (pipeline, strange):
            assert await each.run([Call(("GET", "a"))]) == [b"1"]
            await each.close()

    asyncio.run(whole())


def test_whoever_is_late_himself_still_reads_the_answer_that_lies_there(own: RedisServer) -> None:
    async def whole() -> None:
        pipeline = Pipeline(RedisUrl(own.url), 0.3)
        await pipeline.run([Call(("SET", "a", "1"))])
        for _ in range(3):
            asked = asyncio.create_task(pipeline.run([Call(("GET", "a"))]))
            for _ in range(3):
                await asyncio.sleep(0)  # so that it is on its way
            time.sleep(0.5)  # noqa: ASYNC251 - a loop that has something else to do
            assert await asked == [b"1"]
        await pipeline.close()

    asyncio.run(whole())


def test_where_a_command_adds_nothing_to_it_many_are_given_up_as_soon_as_one(own: RedisServer) -> None:
    async def whole() -> None:
        pipeline = Pipeline(RedisUrl(own.url), 0.3, command_s=0)
        await pipeline.run([Call(("SET", "a", "1"))])
        own.pause()
        with pytest.raises(RedisError, match="does not answer"):
            # With a hundredth of a second for each it would be 50 s.
            await asyncio.wait_for(pipeline.run([Call(("GET", "a"))] * 5_000), 30)
        await pipeline.close()

    asyncio.run(whole())


def test_a_redis_that_was_started_again_answers_at_the_first_question(own: RedisServer) -> None:
    async def whole() -> None:
        pipeline = Pipeline(RedisUrl(own.url))
        await pipeline.run([Call(("SET", "a", "1"))])
        await asyncio.to_thread(own.stop)
        await asyncio.to_thread(own.start)
        assert await pipeline.run([Call(("GET", "a"))]) == [b"1"]
        await pipeline.close()

    asyncio.run(whole())


def test_of_many_answers_each_belongs_to_its_question(redis_server: str, sid: str) -> None:
    async def ask(pipeline: Pipeline, number: int) -> None:
        key = f"{{{sid}}}:{number}"
        calls = [Call(("SET", key, number, "EX", 60)), Call(("EXISTS", key)), Call(("GET", key))]
        *_, own = await pipeline.run(calls)
        assert own == str(number).encode()
        with pytest.raises(Exception, match="a defect"):  # a refusal among the answers moves none of the others
            await pipeline.run([Call(("GET", key)), Call(("INCR", key, "too", "many")), Call(("GET", key))])
        assert await pipeline.run([Call(("GET", key))]) == [own]

    async def whole() -> None:
        pipeline = Pipeline(RedisUrl(redis_server))
        await asyncio.gather(*(ask(pipeline, number) for number in range(12)))
        await pipeline.close()

    asyncio.run(whole())


def test_a_redis_that_takes_no_writes_is_read_all_the_same(own: RedisServer) -> None:
    async def whole() -> None:
        pipeline = Pipeline(RedisUrl(own.url))
        await pipeline.run([Call(("SET", "a", "1"))])
        write, read = Call(("SET", "b", "1")), Call(("GET", "a"))
        for name in ("maxmemory", "min-replicas-to-write"):
            own.ask(f"CONFIG SET {name} 1")
            refused, told = await pipeline.each([write, read])
            assert (type(refused), told) == (RedisError, b"1")
            with pytest.raises(RedisError):
                await pipeline.run([write, read])
            own.ask(f"CONFIG SET {name} 0")
        await pipeline.close()

    asyncio.run(whole())


def has(node: RedisServer, name: str) -> bool:
    try:
        return node.ask(f"EXISTS {name}") == "1"
    except RedisError:  # which is another's
        return False


@pytest.mark.timeout(60)
def test_of_a_cluster_the_nodes_that_answer_are_heard_while_one_does_not(cluster: RedisCluster) -> None:
    names = [f"{secrets.token_hex(4)}-{number}" for number in range(30)]
    frozen = cluster.nodes[1]

    async def whole() -> None:
        pipeline = Pipeline(RedisUrl(cluster.url), 0.3)
        await pipeline.run([Call(("SET", name, "1", "PX", 60_000)) for name in names])
        theirs = {name for name in names if has(frozen, name)}
        assert 0 < len(theirs) < len(names)
        frozen.pause()
        try:
            for _ in range(3):  # the first finds a connection, the others must dial
                replies = await pipeline.each([Call(("GET", name)) for name in names])
                answered = {name for name, reply in zip(names, replies, strict=True) if reply == b"1"}
                assert answered == set(names) - theirs
            with pytest.raises(RedisError):
                await pipeline.each([Call(("GET", name)) for name in theirs])
        finally:
            frozen.resume()
        await pipeline.close()

    asyncio.run(whole())


def test_answers_that_trickle_in_are_waited_for_while_they_do() -> None:
    async def whole() -> None:
        # given one that takes longer over all answers than over the first, by far
        async with _slow(pause_s=0.1) as url:
            pipeline = Pipeline(url, 0.3, command_s=0)
            assert await pipeline.run([Call(("GET", "a"))] * 8) == [b"1"] * 8

            # but whoever has no end of them is given up
            with pytest.raises(RedisError, match="does not answer"):
                await asyncio.wait_for(pipeline.run([Call(("GET", "a"))] * 200), 10)
            await pipeline.close()

    asyncio.run(whole())


@asynccontextmanager
async def _slow(pause_s: float) -> AsyncIterator[RedisUrl]:
    """A server that shakes hands at once and pauses before every other answer."""

    answering: set[asyncio.Task[None] | None] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.add(asyncio.current_task())
        with suppress(ConnectionError, asyncio.CancelledError):
            while head := await reader.readline():
                words = []
                for _ in range(int(head[1:])):
                    size = int((await reader.readline())[1:])
                    words.append((await reader.readexactly(size + 2))[:-2].upper())
                if words[0] == b"GET":
                    await asyncio.sleep(pause_s)
                writer.write({b"HELLO": b"%1\r\n+proto\r\n:3\r\n", b"GET": b"$1\r\n1\r\n"}.get(words[0], b"+OK\r\n"))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, LOOPBACK, 0)
    async with server:
        yield RedisUrl(f"redis://{LOOPBACK}:{server.sockets[0].getsockname()[1]}")
        for task in filter(None, answering):
            task.cancel()
            await asyncio.wait([task])
