"""A coroutine that runs at once as far as it can, and on when somebody awaits it.

So its question to Redis is put before whoever begins it puts his own, and both travel together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


async def its_turn() -> None:
    """For a coroutine that may be begun and has no question before its work: whoever begins it goes first."""
    await asyncio.sleep(0)


class Begun(Generator[Any, None, T]):
    """Await it once, or close it, within the task that began it. What it raises at once, it raises when awaited.

    Whoever awaits it hands on what is sent and thrown, as to any coroutine: deadlines of its own are among that.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        #: What it waits for, until whoever awaits it waits for that too.
        self._first: list[asyncio.Future[Any] | None] = []
        self._over: Exception | None = None
        try:
            self._first.append(coroutine.send(None))
        except Exception as over:  # noqa: BLE001 - whoever awaits it gets it; a StopIteration bears the result
            self._over = over

    def close(self) -> None:
        """Nobody wants it any more."""
        self._coroutine.close()

    def throw(self, *thrown: Any) -> Any:
        return self._coroutine.throw(*thrown)

    def __await__(self) -> Generator[Any, None, T]:
        return self

    def send(self, value: Any) -> Any:
        if self._over is not None:
            raise self._over
        if self._first:
            first = self._first.pop()
            if first is None or not first.done():
                return first
        return self._coroutine.send(value)
