"""One client's requests, as they come in: read within bounds, refused where they are past them.

A head that is too long, a body past its limit, what two servers might read in two ways: none of it gets
further than here. What does not parse is refused, and is the last that is read of this client, since
nobody knows where the next request would begin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import httptools

from serving.http.problems import Refused
from serving.http.request import Request

_URL_MAX: Final = 2 * 1024
_HEAD_MAX: Final = 8 * 1024
_HEADERS_MAX: Final = 64

#: What is half read.
Part = Literal["", "head", "body"]


class Reader:
    """Hands each whole request on, with whether the client means it to be the last."""

    part: Part = ""

    def __init__(
        self,
        address: str,
        body_max: int,
        taken: Callable[[Request, bool], None],
        interim: Callable[[bytes], None],
    ) -> None:
        self._address = address
        self._body_max = body_max
        self._taken = taken
        self._interim = interim
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes | memoryview) -> bool:
        """Whether more may follow; raises Refused."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Answered as if it had not been wished for; what comes next may be no HTTP, so it is the last.
            return False
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            raise (cause if isinstance(cause, Refused) else _unreadable()) from None
        except httptools.HttpParserError:
            raise _unreadable() from None
        if self.part == "head":
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_MAX + _URL_MAX:
                raise Refused(431, "headers", f"at most {_HEAD_MAX} bytes of headers are read")
        return True

    # ── what the parser calls ──────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        self.part = "head"
        self._url = b""
        self._headers: dict[str, str] = {}
        self._header_bytes = self._header_count = self._head_bytes = 0
        self._body = bytearray()

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > _URL_MAX:
            raise Refused(414, "address", f"at most {_URL_MAX} bytes of address are read")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value) + 4
        self._header_count += 1
        if self._header_bytes > _HEAD_MAX or self._header_count > _HEADERS_MAX:
            raise Refused(431, "headers", f"at most {_HEADERS_MAX} headers, of {_HEAD_MAX} bytes in all, are read")
        if self.part == "body":
            return  # a trailer: what a proxy took out of the head does not come in behind the body
        key, text = name.decode("ascii").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        self.part = "body"
        version = self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise Refused(400, "invalid", "HTTP/1.1 and HTTP/1.0 are spoken here")
        if version == "1.1" and "host" not in self._headers:
            raise Refused(400, "invalid", "it is missing", "Host")
        if "," in self._headers.get("host", ""):
            raise Refused(400, "invalid", "it is there twice", "Host")
        encoding = self._headers.get("transfer-encoding")
        if encoding is not None and (version == "1.0" or encoding.lower() != "chunked"):
            raise Refused(400, "invalid", "only chunked is read here, and only in HTTP/1.1", "Transfer-Encoding")
        length = self._headers.get("content-length", "0")
        if len(length) > 9 or int(length) > self._body_max:
            raise self._too_large()
        if self._headers.get("expect", "").lower() == "100-continue":
            self._interim(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > self._body_max:
            raise self._too_large()

    def on_message_complete(self) -> None:
        self.part = ""
        path, _, query = self._url.decode("latin-1").partition("?")
        method = self._parser.get_method().decode("ascii")
        request = Request(method, path, query, self._headers, bytes(self._body), self._address)
        self._taken(request, not self._parser.should_keep_alive())

    def _too_large(self) -> Refused:
        return Refused(413, "too_large", f"at most {self._body_max} bytes of body are read")


def _unreadable() -> Refused:
    return Refused(400, "invalid", "this is no HTTP request")
