"""A server in this process, on the loop and the sockets that it really has, with bounds that a test can wait for."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Final, Self

from nextclick.servers import LOOPBACK
from serving.http import loop
from serving.http.connection import Answers, Bounds
from serving.http.server import Server

_PATIENCE_S: Final = 30.0


class Opened:
    """`with Opened(answers, bounds) as server:` serves until the block ends."""

    def __init__(self, answers: Answers, bounds: Bounds | None = None, connections_max: int = 100) -> None:
        self._answers = answers
        self._bounds = bounds or Bounds()
        self._connections_max = connections_max
        self._started: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: loop.run(self._serve()), name="opened", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = self._started.result(_PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._leaving.set)
        self._thread.join(_PATIENCE_S)

    @property
    def held(self) -> int:
        return self._server.connections

    def stop(self, within_s: float) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(within_s), self.loop).result(within_s + _PATIENCE_S)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._leaving = asyncio.Event()
        self._server = Server(self._answers, self._bounds, self._connections_max)
        watching = asyncio.create_task(self._server.watch())
        self._started.set_result(await self._server.start(LOOPBACK, 0))
        await self._leaving.wait()
        await self._server.stop(0.1)
        watching.cancel()
