"""A coroutine that runs at once as far as it can, and on when somebody awaits it.

So its question to Redis is put before whoever begins it puts his own, and both travel together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Begun(Generic[T]):
    """Await it once, or close it. What it raises at once, it raises when awaited."""

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._waits_for: asyncio.Future[Any] | None = None
        self._over: StopIteration | Exception | None = None
        try:
            self._waits_for = coroutine.send(None)
        except Exception as over:  # noqa: BLE001 - whoever awaits it gets it; a StopIteration bears the result
            self._over = over

    def close(self) -> None:
        """Nobody wants it any more."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, None, T]:
        if isinstance(self._over, StopIteration):
            result: T = self._over.value
            return result
        if self._over is not None:
            raise self._over
        if self._waits_for is None or not self._waits_for.done():
            try:
                yield self._waits_for
            except BaseException:
                self.close()
                raise
        return (yield from self._coroutine.__await__())
