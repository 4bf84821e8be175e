"""The contract of the store about users, held by the one in memory and by every kind of Redis.

Laws of the fold itself are in tests/schemas/test_profile.py.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from nextclick.servers import Guardian
from schemas import keys
from schemas.click import Click
from schemas.errors import InvariantError
from schemas.profile import HOUR_MS, Profile, Trace, fold
from schemas.session import Outcome, Position
from schemas.settings import RedisUrl
from schemas.wire import EpochMs
from serving.state.limits import MARKER_TTL_MS, ProfileTtl
from serving.state.profiles import Traces
from serving.state.redis import RedisSessionStore
from serving.state.sessions import SessionStore
from serving.state.watermarks import Watermark
from tests.kit.redis_server import DURABLE, RedisServer
from tests.kit.stores import REAL, Stores
from tests.worlds.histories import START_MS

LATER_MS = START_MS + HOUR_MS


def trace(user_id: str, offset: int, item: str = "lamp", now: int = START_MS, partition: int = 0) -> Trace:
    click = Click(event_id="e", session_id="s", type="view", ts=EpochMs(now), item_id=item, user_id=user_id)
    return Trace(click, now, Position("0badcafe", partition, offset))


def erasure(offset: int, now: int = START_MS) -> Trace:
    return Trace(None, now, Position("0badcafe", 1, offset))


def reference(*records: Trace) -> Profile:
    profile = Profile()
    for each in records:
        profile, _ = fold(profile, each)
    return profile


@pytest.fixture(params=["memory", *REAL])
def stores(request: pytest.FixtureRequest) -> Stores:
    kind: str = request.param
    return Stores(kind, None if kind == "memory" else request.getfixturevalue(f"redis_{kind}"))


def test_a_users_records_are_folded_once_however_often_they_come(stores: Stores, sid: str) -> None:
    records = [trace(sid, n, f"item{n}") for n in range(5)]
    (first,) = stores.run(lambda store: store.remember([Traces(sid, records[:3])]))

    (again,) = stores.run(lambda store: store.remember([Traces(sid, records)]))

    assert (first.begun, again.begun) == (True, False)
    assert again.outcomes == (*[Outcome.STALE] * 3, *[Outcome.APPLIED] * 2)
    assert stores.run(lambda store: store.profiles([sid]))[0] == reference(*records)


def test_users_keep_apart_and_one_that_never_was_is_empty(stores: Stores, sid: str) -> None:
    other = sid + "x"

    stores.run(lambda store: store.remember([Traces(sid, [trace(sid, 1)]), Traces(other, [trace(other, 2, "sofa")])]))

    items = [stores.run(lambda store: store.profiles([name]))[0].liked[0].item_id for name in (sid, other)]  # noqa: B023
    assert items == ["lamp", "sofa"]
    assert stores.run(lambda store: store.profiles([sid + "y"]))[0] == Profile()


def test_neither_replay_nor_zombie_brings_an_erased_user_back(stores: Stores, sid: str) -> None:
    """The zombie's record lies behind the guard of its lane, and no worker that lives has come so far."""
    old, order, zombie = [trace(sid, 1), trace(sid, 2, "sofa")], erasure(1), trace(sid, 3, "old")
    stores.run(lambda store: store.remember([Traces(sid, [*old, order])]))

    (again,) = stores.run(lambda store: store.remember([Traces(sid, [*old, zombie, order])]))

    assert again.outcomes == (Outcome.STALE, Outcome.STALE, Outcome.FORGOTTEN, Outcome.STALE)
    profile = stores.run(lambda store: store.profiles([sid]))[0]
    assert (profile.liked, profile.erased) == ((), START_MS)
    stores.run(lambda store: store.remember([Traces(sid, [trace(sid, 4, "new", LATER_MS)])]))
    assert [deed.item_id for deed in stores.run(lambda store: store.profiles([sid]))[0].liked] == ["new"]


def test_a_user_is_erased_also_where_nothing_was_kept(stores: Stores, sid: str) -> None:
    """What is to be forgotten may only be on its way."""
    stores.run(lambda store: store.remember([Traces(sid, [erasure(1)])]))

    (late,) = stores.run(lambda store: store.remember([Traces(sid, [trace(sid, 1)])]))

    assert late.outcomes == (Outcome.FORGOTTEN,)


def test_a_profile_that_is_discarded_is_folded_anew(stores: Stores, sid: str) -> None:
    records = [trace(sid, 1), trace(sid, 2)]
    stores.run(lambda store: store.remember([Traces(sid, records)]))

    stores.run(lambda store: store.discard([], [sid]))

    assert stores.run(lambda store: store.profiles([sid]))[0] == Profile()
    (again,) = stores.run(lambda store: store.remember([Traces(sid, records)]))
    assert (again.begun, set(again.outcomes)) == (True, {Outcome.APPLIED})


@pytest.mark.parametrize("kind", REAL)
def test_a_profile_lives_as_long_as_is_set_and_a_marker_no_shorter_than_the_topic(
    request: pytest.FixtureRequest, kind: str, sid: str
) -> None:
    stores = Stores(kind, request.getfixturevalue(f"redis_{kind}"))
    ttl, erased = ProfileTtl.of(profile_days=2, clickstream_hours=168), sid + "x"
    assert ttl == ProfileTtl(48 * HOUR_MS, 168 * HOUR_MS + MARKER_TTL_MS)
    assert ProfileTtl.of(90, 168).erased_ms == 90 * 24 * HOUR_MS

    async def play() -> None:
        store = RedisSessionStore(RedisUrl(stores.url or ""), ttl)
        await store.remember([Traces(sid, [trace(sid, 1)]), Traces(erased, [trace(erased, 1), erasure(1)])])
        await store.remember([Traces(erased, [trace(erased, 2, now=LATER_MS)])])
        await store.close()

    asyncio.run(play())

    left = [cast(int, stores.ask("PTTL", keys.profile(name))) for name in (sid, erased)]
    assert 0 < left[0] <= ttl.plain_ms < left[1] <= ttl.erased_ms


def test_nothing_is_folded_on_a_server_whose_past_nobody_has_looked_at(guardian: Guardian, sid: str) -> None:
    server, lane = RedisServer(guardian, f"strange-{sid}", DURABLE), f"{sid[-8:]}.0"

    async def play(store: SessionStore) -> None:
        await store.claim(await store.survey([lane]), {lane: Watermark(1, START_MS)}, "owner")
        await store.remember([Traces(sid, [trace(sid, 1)])])
        before = await store.profiles([sid])
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)

        with pytest.raises(InvariantError, match="restarted or failed over"):
            await store.remember([Traces(sid, [trace(sid, 2)])])

        assert await store.profiles([sid]) == before

    Stores("server", server.url).run(play)


def test_an_order_is_obeyed_whatever_else_comes_with_it(stores: Stores, sid: str) -> None:
    """The endpoint runs it too, as soon as it knows the order's offset; the worker's turn then changes nothing."""
    records = [trace(sid, 1), erasure(7)]
    stores.run(lambda store: store.remember([Traces(sid, [records[1]])]))
    told = stores.run(lambda store: store.profiles([sid]))[0]

    stores.run(lambda store: store.remember([Traces(sid, records)]))

    assert stores.run(lambda store: store.profiles([sid]))[0] == replace(told, guards=reference(*records).guards)
