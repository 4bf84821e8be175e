"""Commands of many askers in one round trip: what is asked while the last is on its way goes out with the next.

Nobody waits for others to come, and a busy process pays one round trip for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from schemas.errors import NextclickError
from serving.state.pipeline import Call, Reply

#: More make nobody's answer come sooner.
_TOGETHER_MAX: Final = 256


class Runs(Protocol):
    """What this file needs of a Pipeline."""

    async def run(self, calls: Sequence[Call]) -> list[Reply]: ...


class Gathered:
    def __init__(self, pipeline: Runs) -> None:
        self._pipeline = pipeline
        self._waiting: list[tuple[Call, asyncio.Future[Reply]]] = []
        self._running: asyncio.Task[None] | None = None

    async def ask(self, call: Call) -> Reply:
        """The reply; RedisError when the round trip failed. Who is cancelled gets none, and the others theirs."""
        return await self.post(call)

    def post(self, call: Call) -> asyncio.Future[Reply]:
        """What is posted before anybody waits goes out together."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="gathered")
        return future

    async def _run(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting[:_TOGETHER_MAX], self._waiting[_TOGETHER_MAX:]
                await self._round(together)
        finally:
            self._running = None

    async def _round(self, together: Sequence[tuple[Call, asyncio.Future[Reply]]]) -> None:
        try:
            replies = await self._pipeline.run([call for call, _ in together])
        except NextclickError as error:
            for _, future in together:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), reply in zip(together, replies, strict=True):
                if not future.done():
                    future.set_result(reply)
        finally:
            for _, future in together:
                future.cancel()  # whatever it was, nobody is left waiting
