"""Laws of remembering which letters were sent back, on every Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from schemas import keys
from schemas.letter import Source
from schemas.settings import RedisUrl
from serving.state.limits import REPLAYED_TTL_MS
from serving.state.replays import Replays
from tests.kit.stores import REAL, Stores
from tests.worlds.histories import START_MS

T = TypeVar("T")


def run(url: str, body: Callable[[Replays], Awaitable[T]]) -> T:
    async def whole() -> T:
        replays = Replays(RedisUrl(url))
        try:
            return await body(replays)
        finally:
            await replays.close()

    return asyncio.run(whole())


@pytest.mark.parametrize("redis_url", REAL, indirect=True)
def test_what_was_sent_back_is_known_for_a_week_and_nothing_else_is(redis_url: str, sid: str) -> None:
    # given letters of many slots
    sources = [Source(sid, partition, offset, START_MS) for partition in range(4) for offset in range(25)]
    again = replace(sources[0], time=START_MS + 1)

    # when
    run(redis_url, lambda replays: replays.remember(sources[::2]))

    # then
    known = run(redis_url, lambda replays: replays.known([*sources, again]))
    assert known == set(sources[::2])
    left = Stores("server", redis_url).ask("PTTL", keys.replayed(sid, 0, 0))
    assert isinstance(left, int)
    assert REPLAYED_TTL_MS - 120_000 < left <= REPLAYED_TTL_MS


@pytest.mark.parametrize("redis_url", REAL, indirect=True)
def test_a_record_of_a_topic_made_anew_is_not_taken_for_the_one_that_lay_there(redis_url: str, sid: str) -> None:
    before, after = Source(sid, 0, 0, START_MS), Source(sid, 0, 0, START_MS + 5)

    run(redis_url, lambda replays: replays.remember([before]))
    assert run(redis_url, lambda replays: replays.known([after])) == set()

    run(redis_url, lambda replays: replays.remember([after]))
    assert run(redis_url, lambda replays: replays.known([after])) == {after}


def test_of_nothing_nothing_is_known(redis_url: str) -> None:
    run(redis_url, lambda replays: replays.remember([]))
    assert run(redis_url, lambda replays: replays.known([])) == set()
