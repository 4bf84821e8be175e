"""What a session weighs in Redis, and how fast sessions fold into it."""

from __future__ import annotations

import asyncio
import secrets
from random import Random
from time import perf_counter
from typing import cast

import pytest

from nextclick.bench import conditions
from schemas import keys
from schemas.click import Click, EventType
from schemas.profile import Trace
from schemas.recommendation import Item, Model, Reason, Recommendation, TriggeredBy, spares, unrevised
from schemas.session import Position, Record
from schemas.settings import RedisUrl
from schemas.wire import EpochMs
from serving.state import probe
from serving.state.pipeline import Call, Pipeline
from serving.state.profiles import Traces
from serving.state.redis import RedisSessionStore
from serving.state.sessions import Draft, Folded, Work

pytestmark = pytest.mark.bench

NOW = 1_700_000_000_000
SESSIONS = 500
#: What is folded or stored at once: well within the time that one answer of Redis may take.
SLICE = 100


def records(name: str, events: int, first: int = 0) -> list[Record]:
    """A shopper with 9-digit item ids who mostly looks and is shown ten widgets of ten."""
    random = Random(name)
    made = []
    for n in range(first, first + events):
        kind: EventType = random.choices(("view", "cart", "purchase", "impression"), (85, 6, 2, 7))[0]
        shown = tuple(f"{random.randrange(10**8, 10**9)}" for _ in range(10)) if kind == "impression" else ()
        item = None if shown else f"{random.randrange(10**8, 10**9)}"
        event = Click(event_id=secrets.token_hex(8), session_id=name, type=kind, ts=EpochMs(NOW + n * 1_000),
                      item_id=item, items=shown)  # fmt: skip
        made.append(Record(event, NOW + n * 1_000, Position("0badcafe", 0, n)))
    return made


def test_bytes_a_session(redis_server: str) -> None:
    print(f"\n{_conditions(redis_server)}; MEMORY USAGE, 9-digit item ids, mean of {SESSIONS}")
    for events in (1, 5, 20, 50, 200):
        weights = asyncio.run(_weigh(RedisUrl(redis_server), events))
        session, stored = (sum(each) / SESSIONS for each in zip(*weights, strict=True))
        print(f"{events:4} events: session {session:5.0f} bytes, its list of 60 {stored:6.0f} bytes")


async def _weigh(url: RedisUrl, events: int) -> list[tuple[int, int]]:
    store, pipeline = RedisSessionStore(url), Pipeline(url)
    names = [f"weigh-{secrets.token_hex(8)}" for _ in range(SESSIONS)]
    for some in _slices(names):
        folded = await store.fold([Work(name, records(name, events)) for name in some])
        await store.store([_draft(entry) for entry in folded])
    weights = [
        await pipeline.run(
            [Call(("MEMORY", "USAGE", key, "SAMPLES", 0)) for key in (keys.session(name), keys.recommendation(name))]
        )
        for name in names
    ]
    await pipeline.run([Call(("UNLINK", keys.session(name))) for name in names])
    await pipeline.run([Call(("UNLINK", keys.recommendation(name))) for name in names])
    await store.close()
    await pipeline.close()
    return [(cast(int, session), cast(int, stored or 0)) for session, stored in weights]


@pytest.mark.parametrize("deeds", [1, 10, 40, 200])
def test_bytes_a_profile(redis_server: str, deeds: int) -> None:
    found = asyncio.run(_weigh_profiles(RedisUrl(redis_server), deeds))
    print(f"\n{_conditions(redis_server)}; {deeds} deeds of a user in sessions of five: {found:.0f} bytes")


async def _weigh_profiles(url: RedisUrl, deeds: int) -> float:
    store, pipeline = RedisSessionStore(url), Pipeline(url)
    names = [f"weigh-{secrets.token_hex(8)}" for _ in range(SLICE)]
    for name in names:
        await store.remember([Traces(name, _traces(name, deeds))])
    used = cast(
        list[int], await pipeline.run([Call(("MEMORY", "USAGE", keys.profile(name), "SAMPLES", 0)) for name in names])
    )
    await pipeline.run([Call(("UNLINK", keys.profile(name))) for name in names])
    await store.close()
    await pipeline.close()
    return sum(used) / SLICE


def _traces(name: str, deeds: int) -> list[Trace]:
    """A day after the other, each session in the partition that its id falls into."""
    random, days = Random(name), (n // 5 for n in range(deeds))
    return [
        Trace(
            Click(event_id="e", session_id="s", type=random.choices(("view", "cart", "purchase"), (85, 10, 5))[0],
                  ts=EpochMs(NOW + day * 86_400_000), item_id=f"{random.randrange(10**8, 10**9)}", user_id=name),
            NOW + day * 86_400_000,
            Position("0badcafe", day * 5 % 8, n),
        )
        for n, day in enumerate(days)
    ]  # fmt: skip


def _slices(names: list[str]) -> list[list[str]]:
    return [names[at : at + SLICE] for at in range(0, len(names), SLICE)]


def _conditions(url: str) -> str:
    found = probe.redis(RedisUrl(url), timeout_s=5.0)
    return f"{conditions.line('redis')}, redis-server {'.'.join(map(str, found.version))}"


def _draft(entry: Folded) -> Draft:
    items = tuple(
        Item(f"{10**8 + n}", n, 1 / n, "covisitation", Reason("bought_together", {"item_id": "123456789", "title":
             "WHITE METAL LANTERN"}, "Bought together with WHITE METAL LANTERN"))
        for n in range(1, 61)
    )  # fmt: skip
    session = entry.session()
    body = Recommendation(
        recommendation_id="0123456789abcdef", session_id=entry.session_id, session_started=session.started,
        session_version=session.version, generated_at=NOW, model=Model("0123456789ab", "0123456789ab"),
        trigger=TriggeredBy("0123456789abcdef", NOW, NOW, "clickstream", "0badcafe", 0, 1), items=items[:30],
        pool_size=200,
    )  # fmt: skip
    return Draft(entry.session_id, session.started, session.version, Position("0badcafe", 0, 1), NOW, NOW,
                 unrevised(body), spares(items), session.guards)  # fmt: skip


@pytest.mark.parametrize("kind", ["redis_server", "redis_cluster"])
def test_folds_a_second(request: pytest.FixtureRequest, kind: str) -> None:
    url = RedisUrl(request.getfixturevalue(kind))
    print(f"\n{_conditions(url.reveal())}; {kind}, one client, 20 events already in each session")
    for batch in (1, 16, 256):
        print(f"batches of {batch:3}: {asyncio.run(_fold_rate(url, batch)):6.0f} folds/s")


async def _fold_rate(url: RedisUrl, batch: int) -> float:
    store = RedisSessionStore(url)
    names = [f"rate-{secrets.token_hex(8)}" for _ in range(1_024)]
    for some in _slices(names):
        await store.fold([Work(name, records(name, 20)) for name in some])
    works = [Work(name, records(name, 1, first=20)) for name in names]
    started = perf_counter()
    for at in range(0, len(works), batch):
        await store.fold(works[at : at + batch])
    spent = perf_counter() - started
    await store.close()
    return len(works) / spent
