"""A good client, who asks on and on while others do what they like."""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import closing
from typing import Final, Self

from nextclick.servers import LOOPBACK

_PATH: Final = "/v1/recommendations/bystander"
_PAUSE_S: Final = 0.02
#: Longer than anybody waits for a page; in between lies how busy the machine is.
_PATIENCE_S: Final = 20.0


class Bystander:
    """`with Bystander(port) as good:` asks until the block ends."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="bystander", daemon=True)
        self.statuses: list[int] = []
        self.waits_s: list[float] = []
        self.failure: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join(_PATIENCE_S)

    @property
    def served(self) -> bool:
        """It asked, and was answered every time."""
        return self.failure is None and len(self.statuses) > 0 and set(self.statuses) == {200}

    def quantile_s(self, part: float) -> float:
        waits = sorted(self.waits_s)
        return waits[min(len(waits) - 1, int(part * len(waits)))]

    def _ask(self) -> None:
        try:
            with closing(http.client.HTTPConnection(LOOPBACK, self._port, timeout=_PATIENCE_S)) as connection:
                while not self._leaving.wait(_PAUSE_S):
                    began = time.perf_counter()
                    connection.request("GET", _PATH)
                    answer = connection.getresponse()
                    answer.read()
                    self.waits_s.append(time.perf_counter() - began)
                    self.statuses.append(answer.status)
        except (OSError, http.client.HTTPException) as error:
            self.failure = error
