"""Who asks at the same time shares a round trip, and nobody is left waiting whatever comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

import pytest

from schemas.errors import NextclickError, RedisError
from serving.http.begun import Begun
from serving.state.gathered import Gathered
from serving.state.pipeline import Call, Reply

GET = Call(("GET", "a"))


class Wire:
    """A Redis that answers each command with how many there were before it, when it is let, or refuses some."""

    def __init__(self, error: Exception | None = None, refused: Sequence[int] = ()) -> None:
        self._refused = refused
        self.rounds: list[int] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self._error = error

    async def each(self, calls: Sequence[Call]) -> list[Reply | NextclickError]:
        self.rounds.append(len(calls))
        await self.answers.wait()
        if self._error is not None:
            raise self._error
        return [RedisError("full") if at in self._refused else at for at in range(len(calls))]


class Together:
    """One command for many."""

    call = Call(("MGET", "a", "b"))

    def __init__(self) -> None:
        self.made = 0
        self.heard: list[Reply | str] = []

    def make(self) -> Together:
        self.made += 1
        return self

    def told(self, reply: Reply) -> None:
        self.heard.append(reply)

    def failed(self) -> None:
        self.heard.append("nothing")


def played(play: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(play, 20))


async def a_moment() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_whoever_asks_before_anybody_waits_goes_out_together_with_what_is_asked_for_many() -> None:
    async def play() -> None:
        wire, joint = Wire(), Together()
        gathered = Gathered(wire)
        posted = [gathered.post(GET) for _ in range(3)]
        gathered.join(joint.make)

        assert await asyncio.gather(*posted) == [1, 2, 3]
        assert (joint.made, joint.heard) == (1, [0])
        assert wire.rounds == [4]

    played(play())


def test_what_is_asked_while_a_round_is_on_its_way_goes_out_with_the_next() -> None:
    async def play() -> None:
        wire, joint = Wire(), Together()
        gathered = Gathered(wire)
        wire.answers.clear()
        first = gathered.post(GET)
        await a_moment()
        later = [gathered.post(GET), gathered.post(GET)]
        gathered.join(joint.make)
        await a_moment()
        assert (wire.rounds, joint.made) == ([1], 0)

        wire.answers.set()

        assert await asyncio.gather(first, *later) == [0, 1, 2]
        assert (wire.rounds, joint.heard) == ([1, 3], [0])

    played(play())


def test_a_round_that_fails_is_told_to_all_of_it_and_the_next_goes_out() -> None:
    async def play() -> None:
        wire, joint = Wire(RedisError("away")), Together()
        gathered = Gathered(wire)
        posted = [gathered.post(GET), gathered.post(GET)]
        gathered.join(joint.make)

        told = await asyncio.gather(*posted, return_exceptions=True)

        assert [type(each) for each in told] == [RedisError, RedisError]
        assert joint.heard == ["nothing"]
        with pytest.raises(RedisError):
            await gathered.post(GET)
        assert wire.rounds == [3, 1]

    played(play())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_defect_leaves_nobody_waiting() -> None:
    async def play() -> None:
        wire, joint = Wire(ZeroDivisionError()), Together()
        gathered = Gathered(wire)
        posted = gathered.post(GET)
        gathered.join(joint.make)

        with pytest.raises(RedisError, match="the log has why"):
            await posted
        assert joint.heard == ["nothing"]

    played(play())


@pytest.mark.parametrize("error", [None, RedisError("away")], ids=["answered", "failed"])
def test_whoever_leaves_takes_nobody_along(error: Exception | None) -> None:
    async def play() -> None:
        gathered = Gathered(Wire(error))
        leaver, stayer = gathered.post(GET), gathered.post(GET)
        leaver.cancel()

        [told] = await asyncio.gather(stayer, return_exceptions=True)
        assert told == (1 if error is None else error)

    played(play())


def test_more_than_go_into_a_round_go_into_the_next() -> None:
    async def play() -> None:
        wire = Wire()
        gathered = Gathered(wire)

        await asyncio.gather(*(gathered.post(GET) for _ in range(600)))

        assert wire.rounds == [256, 256, 88]

    played(play())


def test_a_call_that_is_refused_is_nothing_to_the_others() -> None:
    async def play() -> None:
        gathered, joint = Gathered(Wire(refused=(0, 2))), Together()
        posted = [gathered.post(GET) for _ in range(3)]
        gathered.join(joint.make)

        told = await asyncio.gather(*posted, return_exceptions=True)

        assert [type(each) for each in told] == [int, RedisError, int]
        assert joint.heard == ["nothing"]

    played(play())


def test_while_it_is_doubtful_whether_redis_answers_nobody_waits_behind_who_finds_it_out() -> None:
    async def play() -> None:
        wire, doubtful, joint = Wire(), [False], Together()
        gathered = Gathered(wire, lambda: doubtful[0])
        wire.answers.clear()
        finder = gathered.post(GET)
        await a_moment()
        doubtful[0] = True
        gathered.join(joint.make)
        with pytest.raises(RedisError, match="in a moment"):
            await gathered.post(GET)
        assert (joint.heard, finder.done()) == (["nothing"], False)

        wire.answers.set()

        assert await finder == 0
        doubtful[0] = False
        assert await gathered.post(GET) == 0
        assert wire.rounds == [1, 1]

    played(play())


def test_whoever_is_refused_meanwhile_goes_on_after_whoever_began_him() -> None:
    async def play() -> None:
        wire, done = Wire(), list[str]()
        gathered = Gathered(wire, lambda: True)
        wire.answers.clear()
        finder = gathered.post(GET)
        await a_moment()

        async def works() -> None:
            with suppress(RedisError):
                await gathered.post(GET)
            done.append("work")

        working = Begun(works())
        done.append("counted, and let through")
        await working
        assert done == ["counted, and let through", "work"]
        finder.cancel()

    played(play())


def test_whoever_came_while_a_round_was_on_its_way_that_failed_does_not_wait_for_another() -> None:
    async def play() -> None:
        wire, joint = Wire(RedisError("away")), Together()
        gathered = Gathered(wire)
        wire.answers.clear()
        first = gathered.post(GET)
        await a_moment()
        second = gathered.post(GET)
        gathered.join(joint.make)
        wire.answers.set()

        told = await asyncio.gather(first, second, return_exceptions=True)

        assert [type(each) for each in told] == [RedisError, RedisError]
        assert (joint.heard, wire.rounds) == (["nothing"], [1])

    played(play())
