"""What a client is answered."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec

JSON = "application/json; charset=utf-8"

Headers = tuple[tuple[str, str], ...]


class Response(msgspec.Struct, frozen=True):
    """An answer that is known whole."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    #: Beside those that every answer bears.
    headers: Headers = ()
    #: So much of the time that it took was the client's wish.
    waited_s: float = 0.0

    def bearing(self, headers: Headers) -> Response:
        return Response(self.status, self.body, self.content_type, self.headers + headers, self.waited_s)


class Stream(msgspec.Struct, frozen=True):
    """An answer that goes on until the client leaves or the parts end: server-sent events."""

    parts: AsyncGenerator[bytes, None]
    headers: Headers = ()

    def bearing(self, headers: Headers) -> Stream:
        return Stream(self.parts, self.headers + headers)
