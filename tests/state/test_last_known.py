"""What was read of a session stands in for Redis while it does not answer: for so long, and for no session that was
erased."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from schemas.errors import NextclickError, RedisError
from schemas.settings import RedisUrl
from serving.state.gathered import Gathered
from serving.state.pipeline import Call, Pipeline, Reply
from serving.state.readings import NOBODY, Readings
from serving.state.redis import RedisSessionStore
from serving.state.sessions import Work
from tests.kit.stores import click

#: Nobody listens there.
AWAY = RedisUrl("redis://127.0.0.1:1/0")


class Desk:
    """Readings of a Redis in which a session has clicked on one item, and a clock."""

    def __init__(self, store: RedisSessionStore, pipeline: Pipeline, session_id: str) -> None:
        self.store, self.session_id = store, session_id
        self.at_s = 0.0
        self.pipeline = pipeline
        self.readings = Readings(Gathered(self), kept_max=2, clock=lambda: self.at_s)

    async def each(self, calls: Sequence[Call]) -> list[Reply | NextclickError]:
        return await self.pipeline.each(calls)

    def known(self) -> list[str]:
        session = self.readings.last_known(self.session_id).session
        return [] if session is None else [each.item_id for each in session.recent]


def played(redis_url: str, session_id: str, scene: Callable[[Desk], Awaitable[None]]) -> None:
    async def whole() -> None:
        store, pipeline = RedisSessionStore(RedisUrl(redis_url)), Pipeline(RedisUrl(redis_url))
        try:
            await store.fold([Work(session_id, [click(session_id, 1, "mug")])])
            await scene(Desk(store, pipeline, session_id))
        finally:
            await store.close()
            await pipeline.close()

    asyncio.run(whole())


def test_what_a_session_did_is_known_for_five_minutes_after_it_was_read(redis_url: str, sid: str) -> None:
    async def scene(desk: Desk) -> None:
        assert desk.readings.last_known(sid) == NOBODY
        await desk.readings.remembered(sid)
        desk.at_s = 299
        assert desk.known() == ["mug"]
        desk.at_s = 300
        assert desk.known() == []

    played(redis_url, sid, scene)


def test_what_was_to_be_forgotten_is_not_known_any_more(redis_url: str, sid: str) -> None:
    async def scene(desk: Desk) -> None:
        await desk.readings.remembered(sid)
        desk.readings.forget(sid)
        assert desk.known() == []

    played(redis_url, sid, scene)


def test_a_session_that_redis_has_no_more_is_not_known_any_more(redis_url: str, sid: str) -> None:
    async def scene(desk: Desk) -> None:
        await desk.readings.remembered(sid)
        await desk.store.discard([sid])
        await desk.readings.remembered(sid)
        assert desk.known() == []

    played(redis_url, sid, scene)


def test_of_too_many_sessions_the_first_read_is_the_first_to_go(redis_url: str, sid: str) -> None:
    async def scene(desk: Desk) -> None:
        others = [f"{sid}-{number}" for number in range(2)]
        await desk.store.fold([Work(each, [click(each, 1, "jug")]) for each in others])
        for each in (sid, *others):
            await desk.readings.remembered(each)
        assert desk.known() == []
        assert all(desk.readings.last_known(each).session is not None for each in others)

    played(redis_url, sid, scene)


def test_a_redis_that_is_away_changes_nothing_of_it(redis_url: str, sid: str) -> None:
    async def scene(desk: Desk) -> None:
        await desk.readings.remembered(sid)
        desk.pipeline = Pipeline(AWAY)
        with pytest.raises(RedisError):
            await desk.readings.remembered(sid)
        await desk.pipeline.close()
        assert desk.known() == ["mug"]

    played(redis_url, sid, scene)
