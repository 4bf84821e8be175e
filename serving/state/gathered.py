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


class Joint(Protocol):
    """One command for all who ask the same kind of thing, made when the round trip begins."""

    def call(self) -> Call: ...

    def told(self, reply: Reply) -> None: ...

    def failed(self) -> None: ...


class Gathered:
    def __init__(self, pipeline: Runs) -> None:
        self._pipeline = pipeline
        self._waiting: list[tuple[Call, asyncio.Future[Reply]]] = []
        self._joints: list[Joint] = []
        self._running: asyncio.Task[None] | None = None

    def post(self, call: Call) -> asyncio.Future[Reply]:
        """The reply; RedisError when the round trip failed. Who is cancelled gets none, and the others theirs.

        What is posted before anybody waits goes out together.
        """
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, future))
        self._go()
        return future

    def join(self, joint: Joint) -> None:
        """It is asked for its command once, with the next round trip, and told what came of it."""
        self._joints.append(joint)
        self._go()

    def _go(self) -> None:
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="gathered")

    async def _run(self) -> None:
        try:
            while self._waiting or self._joints:
                together, self._waiting = self._waiting[:_TOGETHER_MAX], self._waiting[_TOGETHER_MAX:]
                joints, self._joints = self._joints, []
                await self._round(joints, together)
        finally:
            self._running = None

    async def _round(self, joints: Sequence[Joint], together: Sequence[tuple[Call, asyncio.Future[Reply]]]) -> None:
        calls = [joint.call() for joint in joints]
        calls += [call for call, _ in together]
        replies: Sequence[Reply] | None = None
        try:
            replies = await self._pipeline.run(calls)
        except NextclickError as error:
            for _, future in together:
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # whoever was refused meanwhile does not come for it
        finally:
            for at, joint in enumerate(joints):
                if replies is None:
                    joint.failed()
                else:
                    joint.told(replies[at])
            for at, (_, future) in enumerate(together, len(joints)):
                if replies is None:
                    future.cancel()  # whatever it was, nobody is left waiting
                elif not future.done():
                    future.set_result(replies[at])
