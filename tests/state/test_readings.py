"""A list that was read is asked for by its name alone, and what Redis says of it stands."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import cast

import pytest

from schemas.errors import NextclickError, RedisError
from schemas.recommendation import Model, Recommendation, TriggeredBy, encode
from schemas.settings import RedisUrl
from serving.state.gathered import Gathered
from serving.state.pipeline import Call, Pipeline, Reply
from serving.state.readings import Held, Readings
from serving.state.redis import RedisSessionStore
from serving.state.sessions import Work
from tests.kit.stores import LANE, click, draft

BODY = encode(
    Recommendation(
        recommendation_id="r-1",
        session_id="s-1",
        session_started=1,
        session_version=2,
        generated_at=3,
        trigger=TriggeredBy.of(None, "clickstream"),
        model=Model("m1", "c1"),
    )
)


class Wire:
    """A Redis with one list."""

    def __init__(self) -> None:
        self.triple = b"1.2.0"
        self.away = False
        self.asked: list[str] = []

    async def each(self, calls: Sequence[Call]) -> list[Reply | NextclickError]:
        self.asked += [str(call.arguments[0]) for call in calls]
        if self.away:
            raise RedisError("away")
        whole = cast(Reply, [self.triple, BODY, b"[]", b"0badcafe.0:7"])
        return [self.triple if call.arguments[0] == "HGET" else whole for call in calls]


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


async def triple(readings: Readings, *, changed: bool = False) -> str:
    held = await readings.stored("s-1", changed=changed)
    assert held is not None
    return held.triple


def test_it_is_asked_for_whole_once_and_by_its_name_as_long_as_it_is_the_same() -> None:
    async def whole() -> None:
        wire = Wire()
        readings = Readings(Gathered(wire))
        assert [await triple(readings) for _ in range(3)] == ["1.2.0"] * 3
        assert wire.asked == ["HMGET", "HGET", "HGET"]

        wire.triple = b"1.3.0"

        assert await triple(readings) == "1.3.0"
        assert wire.asked[3:] == ["HGET", "HMGET"]

    asyncio.run(whole())


def test_where_it_probably_is_another_it_is_asked_for_whole_at_once() -> None:
    async def whole() -> None:
        wire = Wire()
        readings = Readings(Gathered(wire))
        await triple(readings)
        wire.triple = b"1.3.0"

        assert await triple(readings, changed=True) == "1.3.0"
        assert wire.asked == ["HMGET", "HMGET"]

    asyncio.run(whole())


def test_without_redis_the_last_good_one_is_answered_for_five_minutes_after_it_was_confirmed() -> None:
    async def whole() -> None:
        wire, clock = Wire(), Clock()
        readings = Readings(Gathered(wire), clock=clock)
        await triple(readings)
        clock.now_s += 200
        await triple(readings)
        wire.away = True
        with pytest.raises(RedisError):
            await readings.stored("s-1")

        clock.now_s += 299
        assert readings.last_good("s-1") is not None
        clock.now_s += 2
        assert readings.last_good("s-1") is None

    asyncio.run(whole())


def test_what_is_forgotten_while_redis_is_asked_is_forgotten() -> None:
    async def whole() -> None:
        wire = Wire()
        readings = Readings(Gathered(wire))
        await triple(readings)
        asking = asyncio.create_task(readings.stored("s-1"))
        await asyncio.sleep(0)

        readings.forget("s-1")
        await asking

        assert readings.last_good("s-1") is None

    asyncio.run(whole())


def test_memory_is_bounded_and_who_asks_on_is_not_forgotten() -> None:
    async def whole() -> None:
        readings = Readings(Gathered(Wire()), kept_max=3)
        for name in ("s-1", "s-2", "s-3", "s-1", "s-4"):
            assert isinstance(await readings.stored(name), Held)
        assert [name for name in ("s-1", "s-2", "s-3", "s-4") if readings.last_good(name)] == ["s-1", "s-3", "s-4"]

    asyncio.run(whole())


@pytest.mark.parametrize("redis_url", ["server", "embedded", "cluster"], indirect=True)
def test_a_list_knows_the_click_that_brought_it_and_no_impression_since(redis_url: str) -> None:
    async def whole() -> None:
        session_id, url = secrets.token_hex(8), RedisUrl(redis_url)
        store, pipeline = RedisSessionStore(url), Pipeline(url)
        try:
            readings = Readings(Gathered(pipeline))
            [clicked] = await store.fold([Work(session_id, [click(session_id, 5)])])
            await store.store([draft(session_id, clicked.session(), BODY.rpartition(b"0}")[0])])
            [seen] = await store.fold([Work(session_id, [click(session_id, 6, kind="impression")])])
            held = await readings.stored(session_id)
        finally:
            await store.close()
            await pipeline.close()
        assert seen.session().guards == {LANE: 6}
        assert held is not None
        assert held.applied == {LANE: 5}, "or docs/events.md is to say that it can be waited for"

    asyncio.run(whole())
