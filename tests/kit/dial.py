"""A client that sends whatever bytes it likes, and reads what comes back as HTTP has it."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

from nextclick.servers import LOOPBACK

_CONNECT_S: Final = 10.0
_CHUNK: Final = 65_536
_CONTINUE: Final = 100
_BODILESS: Final = frozenset({_CONTINUE, 204, 304})


@dataclass(frozen=True)
class Answer:
    status: int
    #: As they came, names in lower case.
    headers: tuple[tuple[str, str], ...]
    body: bytes
    #: All of it.
    raw: bytes

    def header(self, name: str) -> str:
        return ", ".join(value for given, value in self.headers if given == name)


class Dial:
    """One connection. What its peer says is read as it comes, so that nobody waits for anybody."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((LOOPBACK, port), _CONNECT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.said = b""
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes, within_s: float = _CONNECT_S) -> bool:
        """Whether the peer is still there. What it does not take in time is not sent."""
        self._socket.settimeout(within_s)
        with suppress(TimeoutError):
            try:
                self._socket.sendall(data)
            except ConnectionError:
                return False
        return True

    def end(self) -> None:
        """Nothing more will be sent; what was asked for is still awaited."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def hear(self, within_s: float, answers: int | None = None) -> list[Answer]:
        """What was answered when the peer closed, or so many answers were there, or that time was over."""
        until = time.monotonic() + within_s
        while not self.closed and time.monotonic() < until:
            if answers is not None and len(parsed(self.said)) >= answers:
                break
            self._read(until - time.monotonic())
        return parsed(self.said)

    def glance(self) -> None:
        """Reads what is there already."""
        self._read(0.0)

    def _read(self, within_s: float) -> None:
        self._socket.settimeout(max(0.0, within_s))
        try:
            chunk = self._socket.recv(_CHUNK)
        except (TimeoutError, BlockingIOError):
            return
        except OSError:
            chunk = b""  # it was cut off
        self.said += chunk
        self.closed = not chunk


def exchange(port: int, sent: bytes, within_s: float = 30.0) -> list[Answer]:
    """All the answers to what one client sent before it closed its side."""
    with Dial(port) as dial:
        dial.send(sent)
        dial.end()
        answers = dial.hear(within_s)
        if not dial.closed:
            raise TimeoutError(f"the connection is still open after {within_s:.0f} s, having said {dial.said[:200]!r}")
        return answers


def parsed(said: bytes) -> list[Answer]:
    """The whole answers in it. ValueError when something in it is none."""
    answers = []
    while said:
        head, end, rest = said.partition(b"\r\n\r\n")
        if not end:
            break
        status, headers = _head(head)
        length = next((int(value) for name, value in headers if name == "content-length"), None)
        if status in _BODILESS:
            length = 0
        elif length is None:
            length = len(rest)
        if len(rest) < length:
            break
        if status != _CONTINUE:
            answers.append(Answer(status, headers, rest[:length], said[: len(head) + 4 + length]))
        said = rest[length:]
    return answers


def _head(head: bytes) -> tuple[int, tuple[tuple[str, str], ...]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    protocol, status, _ = first.split(" ", 2)
    if protocol != "HTTP/1.1":
        raise ValueError(f"no answer of HTTP: {first!r}")
    pairs = (line.split(": ", 1) for line in lines)
    return int(status), tuple((name.lower(), value) for name, value in pairs)
