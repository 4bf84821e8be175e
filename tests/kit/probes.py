"""What a process says of itself on its port for health and metrics."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from typing import Any, Final

from nextclick.servers import LOOPBACK

_ANSWER_S: Final = 2.0


class Probes:
    def __init__(self, port: int) -> None:
        self._port = port

    def ready(self) -> tuple[int, dict[str, Any]]:
        """What /ready says; status 0 as long as nobody answers."""
        status, body = self._page("/ready")
        return status, json.loads(body) if status else {}

    def metrics(self) -> dict[str, float]:
        """What it tells Prometheus, a line a sample (`name{label="value"}`); nothing while it does not answer."""
        lines = self._page("/metrics")[1].decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def _page(self, path: str) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection(LOOPBACK, self._port, timeout=_ANSWER_S)) as connection:
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                return 0, b""
