"""A real redis-server in a directory of its own, which a test may stop, kill, freeze and start again."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

from nextclick import ping
from nextclick.sandbox import redis_options
from nextclick.servers import LOOPBACK, Guardian, Server, on_free_port
from schemas.errors import RedisError

_START_S = 20.0
_STOP_S = 10.0

DURABLE = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
FLEETING = ("--appendonly", "no", "--save", "")


class RedisServer:
    """Running once constructed. `start` after `kill` or `stop` uses the same port and directory."""

    def __init__(
        self, guardian: Guardian, name: str, options: tuple[str, ...] = DURABLE, program: str | Path = "redis-server"
    ) -> None:
        self._guardian = guardian
        self._name = name
        self._options = options
        self._program = program
        self._server: Server
        self.port = on_free_port(self._start)

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def pid(self) -> int:
        return self._server.pid

    @property
    def directory(self) -> Path:
        return self._guardian.directory / self._name

    def ask(self, command: str) -> str:
        return ping.redis(self.port, command)

    def start(self) -> None:
        self._start(self.port)

    def stop(self) -> None:
        """As an operator does: what it acknowledged is on disk."""
        self._server.end(signal.SIGTERM, _STOP_S)

    def kill(self) -> None:
        self._server.kill()

    def pause(self) -> None:
        self._server.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._server.signal(signal.SIGCONT)

    def _start(self, port: int) -> int:
        command = [self._program, *redis_options(port), *self._options]
        self._server = server = self._guardian.start(self._name, command)
        server.await_ready(lambda: ping.redis_is(port, server.pid) and _loaded(port), _START_S)
        return port


def _loaded(port: int) -> bool:
    """It answers, too: that alone, or that nothing is being loaded, may each be so a moment too early."""
    with suppress(RedisError):
        return "loading:0\r\n" in ping.redis(port, "INFO persistence") and ping.redis(port, "PING") == "PONG"
    return False
