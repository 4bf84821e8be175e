"""Where clients connect: several processes share one port, and each lets its clients go before it ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from serving.http.connection import Answers, Bounds, Connection
from serving.http.ports import bound

_BACKLOG: Final = 2_048
_LOOK_S: Final = 0.02
#: So much longer than its bound a client may take.
_WATCH_S: Final = 0.25


class Server:
    def __init__(self, answers: Answers, bounds: Bounds, connections_max: int) -> None:
        self._answers = answers
        self._bounds = bounds
        self._connections_max = connections_max
        self._connections: set[Connection] = set()

    async def start(self, host: str, port: int) -> int:
        """The port that is served; the kernel spreads clients over all processes that share it."""
        sock = bound(host, port)
        self._listener = await asyncio.get_running_loop().create_server(self._connect, sock=sock, backlog=_BACKLOG)
        return int(sock.getsockname()[1])

    async def watch(self) -> None:
        """Lets go whoever takes too long, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_WATCH_S)
            now_s = loop.time()
            for connection in list(self._connections):
                connection.look(now_s)

    @property
    def connections(self) -> int:
        return len(self._connections)

    def _connect(self) -> asyncio.Protocol:
        if len(self._connections) >= self._connections_max:
            return _Full()
        return Connection(self._answers, self._bounds, self._connections)

    def let_go(self, *, at_once: bool = False) -> None:
        """Every connection ends with its next answer; who waits for none ends `at_once`, or later. Whoever comes anew
        is still answered.
        """
        for connection in list(self._connections):
            connection.leave(at_once=at_once)

    async def stop(self, within_s: float) -> None:
        """Nobody is let in any more; what is under way is answered, as far as it is within that time."""
        self._listener.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._connections:
                    self.let_go(at_once=True)
                    await asyncio.sleep(_LOOK_S)


class _Full(asyncio.Protocol):
    """For one client more than there may be: it learns at once that it must try elsewhere."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
