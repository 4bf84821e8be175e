"""`nextclick serve` beside the demo's worker, for whoever may reach this machine: security is off."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import msgspec

from nextclick.servers import LOOPBACK, Guardian, free_port
from nextclick.worker import start
from schemas import recommendation
from schemas.errors import NextclickError
from schemas.settings import Settings

SERVE: Final = ("nextclick", "serve")
_READY_S: Final = 60.0
_LOOK_S: Final = 0.1


class Endpoint:
    def __init__(self, guardian: Guardian, settings: Settings) -> None:
        self._port, self._health = free_port(), free_port()
        told = replace(
            settings,
            serve_host=LOOPBACK,
            serve_port=self._port,
            metrics_host=LOOPBACK,
            metrics_port=self._health,
            security="off",
            drain_s=0,
        )
        self._server = start(guardian, told, "endpoint", SERVE)

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self._port}"

    def proof(self, session_ids: Iterable[str]) -> str:
        """What it answers some session that has a list. NextclickError when it answers none."""
        self._await_ready()
        for session_id in session_ids:
            status, body = asked(self._port, f"/v1/recommendations/{session_id}")
            try:
                found = recommendation.decode(body)
            except msgspec.ValidationError:
                raise NextclickError(f"the endpoint answered {status}, which is no list") from None
            if found.session_id == session_id:
                return f"over HTTP, {self.address} answers session {session_id} with {len(found.items)} items"
        raise NextclickError("the endpoint knows none of the sessions that clicked")

    def _await_ready(self) -> None:
        until = time.monotonic() + _READY_S
        while asked(self._health, "/ready")[0] != http.client.OK:
            code = self._server.exit_code()
            if code is not None or time.monotonic() > until:
                raise NextclickError(f"the endpoint was not ready within {_READY_S:g} s:\n{self._server.last_lines()}")
            time.sleep(_LOOK_S)


def asked(port: int, path: str) -> tuple[int, bytes]:
    """0 while nobody is there."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError:
        return 0, b""
    finally:
        connection.close()
