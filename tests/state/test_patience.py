"""Laws of trying again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from schemas.errors import InvariantError, RedisError
from serving.state.patience import Patience


class Clock:
    """Time passes only while one sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pauses: list[float] = []

    def read(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds


def play(answers: Sequence[Exception | str], budget_s: float = 45) -> tuple[str, Clock]:
    clock = Clock()
    left = iter(answers)

    async def action() -> str:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return asyncio.run(Patience(budget_s, clock.read, clock.sleep).run("folding", action)), clock


def test_what_fails_for_want_of_a_service_is_tried_again() -> None:
    answer, clock = play([RedisError("away")] * 7 + ["done"])

    assert answer == "done"
    assert clock.pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_the_budget_is_kept() -> None:
    with pytest.raises(RedisError, match="away"):
        play([RedisError("away")] * 1_000, budget_s=10)


def test_a_broken_promise_is_not_tried_again() -> None:
    with pytest.raises(InvariantError):
        play([InvariantError("a defect"), "done"])


def test_what_is_tried_again_is_named_until_it_succeeds_or_the_budget_is_spent() -> None:
    async def whole() -> None:
        clock = Clock()
        patience = Patience(2, clock.read, clock.sleep)
        seen: list[list[str]] = []
        excuses: list[str | None] = []

        async def action() -> None:
            seen.append([retry.what for retry in patience.retries])
            excuses.append(patience.excuse())
            if len(seen) <= 2:
                raise RedisError("away")

        await patience.run("folding", action)
        assert seen == [[], ["folding"], ["folding"]], "the first try is none again"
        assert excuses == [None, "folding", "folding"]
        assert patience.retries == ()

    asyncio.run(whole())


def test_a_try_that_never_returns_is_an_excuse_for_no_longer_than_the_budget() -> None:
    async def whole() -> None:
        clock = Clock()
        patience = Patience(45, clock.read, clock.sleep)
        stuck, tries = asyncio.Event(), 0

        async def action() -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise RedisError("away")
            stuck.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(patience.run("folding", action))
        await stuck.wait()
        clock.now_s = 45
        assert patience.excuse() == "folding"
        clock.now_s = 45.1
        assert patience.excuse() is None
        assert [str(retry.error) for retry in patience.retries] == ["away"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert patience.retries == ()

    asyncio.run(whole())
