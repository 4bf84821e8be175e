"""An address that leads to one server and then to another, as a proxy or a virtual address does at a failover."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from nextclick.servers import LOOPBACK

_CHUNK: Final = 65_536


class Relay:
    def __init__(self, target: int) -> None:
        self._target = target
        #: What comes back is held up for so long.
        self.delay_s = 0.0
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.close()
        self._cut()

    def lead_to(self, target: int) -> None:
        """Whoever is connected is cut off, and comes out at the other when he dials again."""
        self._target = target
        self._cut()

    def _cut(self) -> None:
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                try:
                    callee = socket.create_connection((LOOPBACK, self._target))
                except OSError:
                    caller.close()
                    continue
                self._open |= {caller, callee}
                for source, sink, back in ((caller, callee, False), (callee, caller, True)):
                    threading.Thread(target=self._pass_on, args=(source, sink, back), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, back: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if back and self.delay_s:
                    time.sleep(self.delay_s)
                sink.sendall(chunk)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        source.close()
        self._open.discard(source)
