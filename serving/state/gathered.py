"""Commands of many askers in one round trip: what is asked while the last is on its way goes out with the next.

Nobody waits for others to come, and a busy process pays one round trip for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from schemas.errors import NextclickError, RedisError
from serving.state.pipeline import Call, Reply

#: More make nobody's answer come sooner.
_TOGETHER_MAX: Final = 256
_DOUBTFUL: Final = "Redis did not answer a moment ago, and is being asked whether it does again; ask in a moment"
_INTERRUPTED: Final = "what was asked of Redis broke off; the log has why"


class Asks(Protocol):
    """What this file needs of a Pipeline, or of one behind a breaker."""

    async def each(self, calls: Sequence[Call]) -> list[Reply | NextclickError]: ...


class Joint(Protocol):
    """One command for all who ask the same kind of thing."""

    @property
    def call(self) -> Call: ...

    def told(self, reply: Reply) -> None: ...

    def failed(self) -> None: ...


class Gathered:
    def __init__(self, pipeline: Asks, is_doubtful: Callable[[], bool] = bool) -> None:
        """While it is doubtful whether Redis answers, nobody waits for the round trip that finds it out but its own."""
        self._pipeline = pipeline
        self._is_doubtful = is_doubtful
        self._waiting: list[tuple[Call, asyncio.Future[Reply]]] = []
        self._joining: list[Callable[[], Joint]] = []
        self._running: asyncio.Task[None] | None = None

    def post(self, call: Call) -> asyncio.Future[Reply]:
        """The reply; RedisError when the round trip failed. Who is cancelled gets none, and the others theirs.

        What is posted before anybody waits goes out together.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Reply] = loop.create_future()
        if self._running is not None and self._is_doubtful():
            # Not at once: who asks while his request is counted works on only when he is let through.
            loop.call_soon(_tell, future, RedisError(_DOUBTFUL))
        else:
            self._waiting.append((call, future))
            self._go()
        return future

    def join(self, made: Callable[[], Joint]) -> None:
        """It is made when the next round trip begins, of all who wait by then, and told what came of it."""
        if self._running is not None and self._is_doubtful():
            made().failed()
        else:
            self._joining.append(made)
            self._go()

    def _go(self) -> None:
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="gathered")

    async def _run(self) -> None:
        try:
            while self._waiting or self._joining:
                together, self._waiting = self._waiting[:_TOGETHER_MAX], self._waiting[_TOGETHER_MAX:]
                joining, self._joining = self._joining, []
                await self._round([made() for made in joining], together)
                # What has come in meanwhile is read first, and goes along: fewer round trips, and less waiting.
                await asyncio.sleep(0)
        finally:
            self._running = None

    async def _round(self, joints: Sequence[Joint], together: Sequence[tuple[Call, asyncio.Future[Reply]]]) -> None:
        calls = [joint.call for joint in joints]
        calls += [call for call, _ in together]
        fates: Sequence[Reply | NextclickError] = [RedisError(_INTERRUPTED)] * len(calls)
        try:
            fates = await self._pipeline.each(calls)
        except NextclickError as error:
            fates = [error] * len(calls)
            self._give_up(error)
        finally:
            # Whatever it was, nobody is left waiting.
            for joint, fate in zip(joints, fates, strict=False):
                if isinstance(fate, NextclickError):
                    joint.failed()
                else:
                    joint.told(fate)
            for (_, future), fate in zip(together, fates[len(joints) :], strict=True):
                _tell(future, fate)

    def _give_up(self, error: NextclickError) -> None:
        """Who came meanwhile has waited as long, and has time for no other round trip that may end like this one."""
        waiting, self._waiting = self._waiting, []
        joining, self._joining = self._joining, []
        for made in joining:
            made().failed()
        for _, future in waiting:
            _tell(future, error)


def _tell(future: asyncio.Future[Reply], fate: Reply | NextclickError) -> None:
    if future.done():  # whoever asked has left
        return
    if isinstance(fate, NextclickError):
        future.set_exception(fate)
        future.exception()  # whoever was refused meanwhile does not come for it
    else:
        future.set_result(fate)
