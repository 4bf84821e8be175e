"""A coroutine that has begun goes on where it was, whoever awaits it and whenever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

import pytest

from serving.http.begun import Begun


class Question:
    """Asks, waits for the answer, and then for another."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.steps: list[str] = []
        self.first: asyncio.Future[int] = loop.create_future()
        self.second: asyncio.Future[int] = loop.create_future()

    async def sum(self) -> int:
        try:
            self.steps.append("asked")
            first = await self.first
            self.steps.append("asked again")
            return first + await self.second
        finally:
            self.steps.append("over")


def played(play: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(play, 20))


async def awaited(one: Awaitable[int]) -> int:
    return await one


async def a_moment() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_it_has_asked_before_anybody_awaits_it() -> None:
    async def play() -> None:
        question = Question()
        begun = Begun(question.sum())
        assert question.steps == ["asked"]
        question.first.set_result(40)
        question.second.set_result(2)
        assert await begun == 42

    played(play())


def test_it_waits_for_whatever_it_asks_for() -> None:
    async def play() -> None:
        question = Question()
        waiting = asyncio.create_task(awaited(Begun(question.sum())))
        await a_moment()
        question.first.set_result(40)
        await a_moment()
        assert question.steps == ["asked", "asked again"]
        question.second.set_result(2)
        assert await waiting == 42
        assert question.steps == ["asked", "asked again", "over"]

    played(play())


def test_what_it_has_at_once_and_what_it_raises_at_once_come_when_it_is_awaited() -> None:
    async def seven() -> int:
        return 7

    async def refused() -> int:
        raise LookupError

    async def play() -> None:
        ready, failed = Begun(seven()), Begun(refused())
        assert await ready == 7
        with pytest.raises(LookupError):
            await failed

    played(play())


def test_a_question_that_fails_fails_in_it() -> None:
    async def play() -> None:
        question = Question()
        begun = Begun(question.sum())
        question.first.set_exception(LookupError())
        with pytest.raises(LookupError):
            await begun
        assert question.steps == ["asked", "over"]

    played(play())


def test_closed_it_ends_where_it_is() -> None:
    async def play() -> None:
        question = Question()
        Begun(question.sum()).close()
        assert question.steps == ["asked", "over"]

    played(play())


def test_a_deadline_that_it_set_itself_is_its_own_affair() -> None:
    async def play() -> None:
        question = Question()

        async def patient() -> int:
            for future in (question.first, question.second):
                try:
                    async with asyncio.timeout(0.01):
                        return await future
                except TimeoutError:
                    question.steps.append("too late")
            return 0

        assert await Begun(patient()) == 0
        assert question.steps == ["too late", "too late"]

    played(play())


@pytest.mark.parametrize("answers", [0, 1])
def test_who_is_cancelled_ends_it_wherever_it_waits(answers: int) -> None:
    async def play() -> None:
        question = Question()
        waiting = asyncio.create_task(awaited(Begun(question.sum())))
        await a_moment()
        if answers:
            question.first.set_result(1)
            await a_moment()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert question.steps[-1] == "over"

    played(play())
