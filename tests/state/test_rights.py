"""The Redis users of docs/security.md, which are those of deploy/users.acl, may do what is done, and nothing else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from nextclick.servers import LOOPBACK, Guardian
from schemas import keys
from schemas.errors import RedisError
from schemas.letter import Source
from schemas.profile import Trace
from schemas.session import Position
from schemas.settings import RedisUrl
from serving.http.buckets import Rate
from serving.http.limits import question
from serving.state import probe, scripts
from serving.state.channels import Channels
from serving.state.gathered import Gathered
from serving.state.pipeline import Call, Pipeline
from serving.state.profiles import Traces
from serving.state.readings import Readings
from serving.state.redis import RedisSessionStore
from serving.state.replays import Replays
from serving.state.sessions import Mark, Work
from serving.state.watermarks import Watermark
from tests.kit import rungs
from tests.kit.redis_server import FLEETING, RedisServer
from tests.kit.stores import LANE, click, draft, erase, reference
from tests.worlds.histories import START_MS

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
#: Those that compose starts its Redis with, and the one that only the page has.
USERS: Final = [
    *(ROOT / "deploy" / "users.acl").read_text(encoding="utf-8").splitlines()[1:],
    *re.findall(r"^    (user nextclick-reader .*)$", PAGE, re.M),
]
#: What nobody of ours may do.
FORBIDDEN: Final = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("CONFIG", "GET", "*"),
    ("EVAL", "return 1", "0"),
    ("SCRIPT", "FLUSH"),
    ("REPLICAOF", "NO", "ONE"),
    ("ACL", "LIST"),
    ("CLIENT", "LIST"),
    ("MONITOR",),
    ("SHUTDOWN",),
    ("GET", "somebody-elses"),
    ("SET", "somebody-elses", "1"),
    ("PUBLISH", "somebody-elses", "1"),
]
#: And what nobody may but a worker, beside it.
OF_WORKERS: Final = [("ZADD", keys.pending(LANE), "1", "a"), ("PUBLISH", "rec.1", "1"), ("GET", "wm:{0}:" + LANE)]


@pytest.fixture(scope="module")
def closed(guardian: Guardian, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    rungs.demand("redis-server")
    rights = tmp_path_factory.mktemp("rights") / "users.acl"
    rights.write_text("\n".join(["user default on nopass ~* &* +@all", *USERS]) + "\n", encoding="utf-8")
    server = RedisServer(guardian, "closed-redis", (*FLEETING, "--aclfile", str(rights)))
    yield server
    server.kill()


def url(server: RedisServer, user: str) -> RedisUrl:
    return RedisUrl(f"redis://nextclick-{user}:{user.upper()}-PASSWORD@{LOOPBACK}:{server.port}/0")


def asked(at: RedisUrl, *calls: Call) -> list[object]:
    async def whole() -> list[object]:
        pipeline = Pipeline(at)
        try:
            return list(await pipeline.run(calls))
        finally:
            await pipeline.close()

    return asyncio.run(whole())


async def _worked(store: RedisSessionStore, sid: str) -> None:
    """All that a worker asks of its store."""
    mark, user = Mark(LANE, sid, START_MS), Traces(f"u-{sid}", [Trace(None, START_MS, Position("0badcafe", 0, 1))])
    await store.claim(await store.survey([LANE]), {LANE: Watermark(1, START_MS)}, "owner")
    await store.advance({LANE: Watermark(2, START_MS)}, "owner")
    await store.fold([Work(sid, [click(sid, 1), click(sid, 2, kind="cart")])], [mark])
    state, _ = reference([click(sid, 1), click(sid, 2, kind="cart")])
    assert state.session is not None
    assert (await store.store([draft(sid, state.session)]))[0].revision is not None
    assert await store.pending(LANE)
    await store.settle([mark])
    await store.remember([user])
    await store.profiles([user.user_id])
    await store.read(sid)
    assert await store.recommendation(sid) is not None
    await store.fold([Work(sid, [erase(sid, 3)])])
    await store.discard([sid], [user.user_id])


def with_store(at: RedisUrl, work: Callable[[RedisSessionStore], Awaitable[None]]) -> None:
    async def whole() -> None:
        store = RedisSessionStore(at)
        try:
            await work(store)
        finally:
            await store.close()

    asyncio.run(whole())


def test_a_worker_may_do_all_that_it_does(closed: RedisServer, sid: str) -> None:
    with_store(url(closed, "worker"), lambda store: _worked(store, sid))


def test_whoever_types_a_verb_may_show_erase_and_remember_what_was_sent_back(closed: RedisServer, sid: str) -> None:
    at = url(closed, "verbs")

    async def sent_back() -> None:
        replays = Replays(at)
        source = Source("clickstream", 0, 1, START_MS)
        await replays.remember([source])
        assert await replays.known([source]) == {source}
        await replays.close()

    async def shown(store: RedisSessionStore) -> None:
        await _read(store, sid)
        await store.recommendation(sid)

    asyncio.run(sent_back())
    with_store(at, shown)
    with_store(at, lambda store: _erased(store, sid))
    assert probe.redis(at, 10).nodes == 1


@pytest.mark.parametrize("user", ["endpoint", "reader"])
def test_an_endpoint_may_count_read_and_listen(closed: RedisServer, sid: str, user: str) -> None:
    bucket = Rate(1, 1).bucket("key", keys.bucket("key", sid))
    heard: list[str] = []

    async def whole() -> None:
        pipeline, channels = Pipeline(url(closed, user)), Channels(url(closed, user))
        readings = Readings(Gathered(pipeline))
        listening = asyncio.create_task(channels.listen(heard.append, lambda: None))
        await pipeline.run([question([[bucket]])])
        await readings.stored(sid)
        await readings.remembered(sid)
        while not channels.hears:  # noqa: ASYNC110 - it says so in no other way
            await asyncio.sleep(0.02)
        closed.ask("PUBLISH rec.3 somebody")
        while not heard:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.02)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await pipeline.close()

    asyncio.run(asyncio.wait_for(whole(), 60))
    with_store(url(closed, user), lambda store: _read(store, sid))


async def _read(store: RedisSessionStore, sid: str) -> None:
    await store.read(sid)
    await store.profiles([f"u-{sid}"])


def test_an_endpoint_may_erase_and_a_reader_may_not(closed: RedisServer, sid: str) -> None:
    with_store(url(closed, "endpoint"), lambda store: _erased(store, sid))
    with pytest.raises(RedisError, match="does not let us"):
        with_store(url(closed, "reader"), lambda store: _erased(store, sid))


async def _erased(store: RedisSessionStore, sid: str) -> None:
    await store.fold([Work(sid, [erase(sid, 1)])])
    await store.remember([Traces(f"u-{sid}", [Trace(None, START_MS, Position("0badcafe", 0, 1))])])


@pytest.mark.parametrize("command", FORBIDDEN, ids=" ".join)
@pytest.mark.parametrize("user", ["worker", "endpoint", "verbs", "reader"])
def test_nobody_may_do_what_none_of_them_does(closed: RedisServer, user: str, command: tuple[str, ...]) -> None:
    with pytest.raises(RedisError, match="does not let us"):
        asked(url(closed, user), Call(command))


@pytest.mark.parametrize("command", OF_WORKERS, ids=" ".join)
@pytest.mark.parametrize("user", ["endpoint", "verbs", "reader"])
def test_nobody_else_may_do_what_a_worker_does(closed: RedisServer, user: str, command: tuple[str, ...]) -> None:
    with pytest.raises(RedisError, match="does not let us"):
        asked(url(closed, user), Call(command))


@pytest.mark.parametrize("key", [*(f"{{s}}:{each}" for each in "sxrv"), "u:{u}"])
def test_a_reader_writes_to_no_session_and_no_profile(closed: RedisServer, key: str) -> None:
    with pytest.raises(RedisError, match="does not let us"):
        asked(url(closed, "reader"), Call(("SET", key, "whatever")))


@pytest.mark.parametrize("user", ["worker", "verbs"])
def test_none_but_an_endpoint_may_touch_what_is_counted(closed: RedisServer, user: str) -> None:
    with pytest.raises(RedisError, match="does not let us"):
        asked(url(closed, user), Call(("GET", "{limits}:key:a")))


@pytest.mark.parametrize("user", ["worker", "endpoint", "reader"])
def test_none_but_a_verb_may_touch_what_was_sent_back(closed: RedisServer, user: str) -> None:
    with pytest.raises(RedisError, match="does not let us"):
        asked(url(closed, user), Call(("SET", "replayed:clickstream:0:1", "1")))


#: Commands of the connection itself, and those that no script holds.
OUTSIDE: Final = {"evalsha", "script|load", "ping", "select"}
WORKED: Final = OUTSIDE | {"zadd", "zrange"}
SERVED: Final = OUTSIDE | {"hget", "hmget", "hgetall", "subscribe", "unsubscribe"}


def _done(*each: scripts.Script) -> set[str]:
    return {name.lower() for script in each for name in re.findall(r"redis\.call\('(\w+)'", script.source)}


@pytest.mark.parametrize(
    ("user", "needs"),
    [
        ("worker", WORKED | _done(*(each for each in scripts.ALL if each is not scripts.RATES))),
        ("endpoint", SERVED | _done(scripts.FOLD, scripts.PROFILE, scripts.RATES)),
        ("verbs", OUTSIDE | {"get", "set"} | _done(scripts.FOLD, scripts.PROFILE)),
        ("reader", SERVED | _done(scripts.RATES)),
    ],
)
def test_a_user_has_the_commands_that_are_called_and_no_other(user: str, needs: set[str]) -> None:
    (line,) = (line for line in USERS if line.startswith(f"user nextclick-{user} "))
    assert set(re.findall(r" \+(\S+)", line)) == needs


def test_scripts_take_keys_and_values_as_arguments_and_never_as_text() -> None:
    folder = Path(scripts.__file__).parent / "lua"
    for file in folder.glob("*.lua"):
        source = file.read_text(encoding="utf-8")
        assert not re.search(r"\bload(string)?\s*\(|\bdofile\b", source), file.name
        assert not re.search(r"redis\.p?call\('\w+',\s*(\"|'[^']*'\s*\.\.)", source), file.name
        assert not re.search(r"redis\.p?call\([^']", source), file.name
