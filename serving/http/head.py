"""The first bytes of an answer."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from serving.http.response import Response, Stream

#: On every answer, whatever it says. None of it tells who serves.
_ALWAYS: Final = b"X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
_STREAMED: Final = (
    b"Content-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n"
)
_BODILESS: Final = frozenset({204, 304})


def whole(answer: Response, *, closing: bool, bare: bool = False) -> bytes:
    """An answer from its first byte to its last; `bare` without its body, as a HEAD is answered."""
    body = b"" if bare or answer.status in _BODILESS else answer.body
    lines = [_status(answer.status), _date(int(time.time())), _ALWAYS]
    if answer.status not in _BODILESS:
        lines.append(b"Content-Type: %b\r\nContent-Length: %d\r\n" % (answer.content_type.encode(), len(answer.body)))
    lines += [_line(name, value) for name, value in answer.headers]
    lines += (b"Connection: close\r\n\r\n" if closing else b"\r\n", body)
    return b"".join(lines)


def streamed(stream: Stream) -> bytes:
    """Its length is not known: the connection's end is the answer's."""
    lines = [_status(200), _date(int(time.time())), _ALWAYS, _STREAMED]
    lines += [_line(name, value) for name, value in stream.headers]
    return b"".join([*lines, b"Connection: close\r\n\r\n"])


@lru_cache(64)
def _status(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()


@lru_cache(2)
def _date(second: int) -> bytes:
    return f"Date: {formatdate(second, usegmt=True)}\r\n".encode()


@lru_cache(4096)
def _line(name: str, value: str) -> bytes:
    """A header's. What a value cannot hold without ending the line, no part of ours puts into one."""
    if "\r" in value or "\n" in value:
        raise ValueError("a header's value has one line")
    return f"{name}: {value}\r\n".encode("latin-1")
