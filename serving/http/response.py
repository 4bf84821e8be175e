"""What a client is answered."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that is known whole."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    #: Beside those that every answer bears.
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that goes on until the client leaves or the parts end: server-sent events."""

    parts: AsyncGenerator[bytes, None]
    headers: tuple[tuple[str, str], ...] = ()
