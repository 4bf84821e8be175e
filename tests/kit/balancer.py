"""A load balancer that honours readiness: whoever connects is sent to one that is ready, as long as there is any."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from types import TracebackType
from typing import Final, Self

from nextclick.servers import LOOPBACK
from tests.kit.endpoint import Endpoint

_LOOK_EVERY_S: Final = 0.2
_CHUNK: Final = 65_536


class Balancer:
    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = list(endpoints)
        self._ready: list[Endpoint] = list(endpoints)
        self._turns = count()
        self._over = threading.Event()
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        for work in (self._accept, self._look):
            threading.Thread(target=work, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._listener.close()

    def admit(self, endpoint: Endpoint) -> None:
        self._endpoints.append(endpoint)

    def _look(self) -> None:
        while not self._over.is_set():
            self._ready = [each for each in list(self._endpoints) if each.ready()[0] == 200]
            time.sleep(_LOOK_EVERY_S)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(caller,), daemon=True).start()

    def _connect(self, caller: socket.socket) -> None:
        ready = self._ready
        try:
            callee = socket.create_connection((LOOPBACK, ready[next(self._turns) % len(ready)].port))
        except (OSError, ZeroDivisionError):
            caller.close()
            return
        for source, sink in ((caller, callee), (callee, caller)):
            threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                sink.sendall(chunk)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
        source.close()  # who reads it closes it
