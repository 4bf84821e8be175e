"""Shoppers whose pages poll, each on a connection that it keeps: what came of every request, and when."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import msgspec

from nextclick.servers import LOOPBACK

_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Poll:
    #: Of time.monotonic, when it was due.
    at_s: float
    took_ms: float
    #: None where the connection failed.
    status: int | None
    fallback: str | None
    model: str | None
    #: The model that the body names, where it is a list.
    body_model: str | None


class Pollers:
    """Each of `threads` sends `rate / threads` requests a second, from when they are due."""

    def __init__(
        self,
        port: int,
        path: Callable[[int], str],
        rate: float,
        threads: int = 4,
        headers: Callable[[int], Mapping[str, str]] = lambda _: {},
    ) -> None:
        self._place = LOOPBACK, port
        self._path = path
        self._headers = headers
        self._pause_s = threads / rate
        self._over = threading.Event()
        self._polls: list[Poll] = []
        self._threads = [threading.Thread(target=self._run, args=(at,), daemon=True) for at in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_S + 5)

    @property
    def polls(self) -> Sequence[Poll]:
        return tuple(self._polls)

    def _run(self, number: int) -> None:
        connection = http.client.HTTPConnection(*self._place, timeout=_TIMEOUT_S)
        due_s, count = time.monotonic() + number * self._pause_s / len(self._threads), number
        while not self._over.is_set():
            time.sleep(max(0.0, due_s - time.monotonic()))
            self._polls.append(self._poll(connection, count, due_s))
            due_s, count = due_s + self._pause_s, count + len(self._threads)
        connection.close()

    def _poll(self, connection: http.client.HTTPConnection, count: int, due_s: float) -> Poll:
        try:
            connection.request("GET", self._path(count), headers=dict(self._headers(count)))
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return Poll(due_s, 1_000 * (time.monotonic() - due_s), None, None, None, None)
        if answer.headers.get("Connection") == "close":
            connection.close()
        told = answer.headers
        named = msgspec.json.decode(body)["model"]["version"] if answer.status == http.client.OK else None
        took_ms = 1_000 * (time.monotonic() - due_s)
        return Poll(due_s, took_ms, answer.status, told.get("Nextclick-Fallback"), told.get("Nextclick-Model"), named)
