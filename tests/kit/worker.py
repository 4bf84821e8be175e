"""`nextclick stream` as a process of its own, which a test may end in any way."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Final

import psutil

from nextclick.servers import Guardian, Server, free_port
from nextclick.worker import STREAM, start
from nextclick.worker import environment as environment
from schemas.settings import Settings
from tests.kit.probes import Probes

BUNDLE: Final = Path(__file__).parents[2] / "nextclick" / "sample" / "bundle"
#: The first of a machine compiles, which takes long where others compute too.
_ASSIGNED_S: Final = 180.0
_STOP_S: Final = 15.0
#: What ends and freezes workers is not to wait for the default.
_SESSION_TIMEOUT_MS: Final = 6_000
_numbers = count(1)


def summed(told: Mapping[str, float], beginning: str) -> float:
    """Of all samples whose names, with their labels, begin so."""
    return sum(value for name, value in told.items() if name.startswith(beginning))


class Worker:
    """Starting once constructed; `await_assigned` returns when it consumes. `module` may name another program."""

    def __init__(self, guardian: Guardian, settings: Settings, *module: str) -> None:
        bundle = str(BUNDLE) if settings.bundle == Settings().bundle else settings.bundle
        if settings.session_timeout_ms == Settings().session_timeout_ms:
            settings = replace(settings, session_timeout_ms=_SESSION_TIMEOUT_MS)
        port = settings.metrics_port or free_port()
        self._probes = Probes(port)
        told = replace(settings, bundle=bundle, metrics_port=port)
        self._server: Server = start(guardian, told, f"worker-{next(_numbers)}", module or STREAM)
        self._log = guardian.directory / f"{self._server.name}.log"

    @property
    def name(self) -> str:
        return self._server.name

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self._server.pid)

    def await_assigned(self) -> None:
        self._server.await_ready(lambda: self.is_assigned, _ASSIGNED_S)

    @property
    def is_assigned(self) -> bool:
        return "assigned: [" in self.said()

    def said(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def ready(self) -> tuple[int, dict[str, Any]]:
        return self._probes.ready()

    def metrics(self) -> dict[str, float]:
        return self._probes.metrics()

    def signal(self, number: int) -> None:
        self._server.signal(number)

    def kill(self) -> None:
        self._server.kill()

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._server.exit_code()

    def stop(self) -> int | None:
        """The exit code after SIGTERM."""
        self._server.end(signal.SIGTERM, _STOP_S)
        return self._server.exit_code()

    def await_end(self, timeout_s: float) -> int | None:
        self._server.end(0, timeout_s)
        return self._server.exit_code()
