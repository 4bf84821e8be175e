"""`nextclick serve` as a process of its own, which answers, and which a test may end in any way."""

from __future__ import annotations

import signal
from dataclasses import replace
from http import HTTPStatus
from itertools import count
from typing import Any, Final

import psutil

from nextclick.servers import LOOPBACK, Guardian, Server, free_port
from nextclick.worker import start
from schemas.settings import Settings
from tests.kit.probes import Probes
from tests.kit.worker import BUNDLE

SERVE: Final = ("nextclick", "serve")
#: The first of a machine compiles, which takes long where others compute too.
_READY_S: Final = 180.0
_STOP_S: Final = 25.0
_numbers = count(1)


class Endpoint:
    """Starting once constructed; `await_ready` returns when it answers. `module` may name another program."""

    def __init__(self, guardian: Guardian, settings: Settings, *module: str) -> None:
        bundle = str(BUNDLE) if settings.bundle == Settings().bundle else settings.bundle
        self.port: Final = free_port()
        self.health_port: Final = free_port()
        self._probes = [Probes(self.health_port + number) for number in range(settings.serve_processes)]
        told = replace(settings, bundle=bundle, serve_port=self.port, metrics_port=self.health_port)
        self._server: Server = start(guardian, told, f"endpoint-{next(_numbers)}", module or SERVE)
        self._log = guardian.directory / f"{self._server.name}.log"

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self._server.pid)

    def await_ready(self) -> None:
        self._server.await_ready(self.is_whole, _READY_S)

    def is_whole(self) -> bool:
        """All its processes are ready."""
        return all(probes.ready()[0] == HTTPStatus.OK for probes in self._probes)

    def said(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def ready(self) -> tuple[int, dict[str, Any]]:
        return self._probes[0].ready()

    def metrics(self) -> dict[str, float]:
        return self._probes[0].metrics()

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._server.exit_code()

    def signal(self, number: int) -> None:
        self._server.signal(number)

    def kill(self) -> None:
        self._server.kill()

    def stop(self) -> int | None:
        """The exit code after SIGTERM."""
        self._server.end(signal.SIGTERM, _STOP_S)
        return self._server.exit_code()
