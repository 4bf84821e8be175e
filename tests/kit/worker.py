"""`nextclick stream` as a process of its own, which a test may end in any way."""

from __future__ import annotations

import signal
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Final

from nextclick.servers import Guardian, Server
from nextclick.worker import STREAM, start
from nextclick.worker import environment as environment
from schemas.settings import Settings

BUNDLE: Final = Path(__file__).parents[2] / "nextclick" / "sample" / "bundle"
_ASSIGNED_S: Final = 40.0
_STOP_S: Final = 15.0
_numbers = count(1)


class Worker:
    """Starting once constructed; `await_assigned` returns when it consumes. `module` may name another program."""

    def __init__(self, guardian: Guardian, settings: Settings, *module: str) -> None:
        bundle = str(BUNDLE) if settings.bundle == Settings().bundle else settings.bundle
        quick = replace(settings, bundle=bundle, session_timeout_ms=6_000)
        self._server: Server = start(guardian, quick, f"worker-{next(_numbers)}", module or STREAM)
        self._log = guardian.directory / f"{self._server.name}.log"

    def await_assigned(self) -> None:
        self._server.await_ready(lambda: "assigned: [" in self.said(), _ASSIGNED_S)

    def said(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def signal(self, number: int) -> None:
        self._server.signal(number)

    def kill(self) -> None:
        self._server.kill()

    def stop(self) -> int | None:
        """The exit code after SIGTERM."""
        self._server.end(signal.SIGTERM, _STOP_S)
        return self._server.exit_code()

    def await_end(self, timeout_s: float) -> int | None:
        self._server.end(0, timeout_s)
        return self._server.exit_code()
