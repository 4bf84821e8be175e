"""One client's connection: requests are read within bounds, answered one after the other, and kept alive.

Everything a stranger may do to a server by taking his time or by sending too much ends here: a head that
is too long or too slow, a body past its limit, requests piled up before they are answered, answers that
are not fetched. What does not parse gets a 400 and the connection is closed, since nobody knows where
the next request would begin.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import httptools

from serving.http import head
from serving.http.problems import Refused
from serving.http.request import Request
from serving.http.response import Response, Stream

log = logging.getLogger(__name__)

_URL_MAX: Final = 2 * 1024
_HEAD_MAX: Final = 8 * 1024
_HEADERS_MAX: Final = 64
#: Requests of one client that are read before the first is answered.
_PIPELINED_MAX: Final = 16
#: An answer that is not fetched: so much of it is held, and so long.
_UNSENT_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    body_max: int = 256 * 1024
    #: From a request's first byte to the end of its head, and from there to the end of its body.
    head_s: float = 5.0
    body_s: float = 10.0
    #: Between two requests.
    idle_s: float = 75.0
    #: For a client that does not fetch what it asked for.
    fetch_s: float = 10.0


Answers = Callable[[Request], Awaitable[Response | Stream]]


class Connection(asyncio.Protocol):
    def __init__(self, answers: Answers, bounds: Bounds, all_: set[Connection]) -> None:
        self._answers = answers
        self._bounds = bounds
        self._all = all_
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Request | Refused, bool]] = deque()
        self._serving: asyncio.Task[None] | None = None
        #: What is due by then; the server looks now and then.
        self._due_s = math.inf
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._address = ""
        #: Nothing more is read.
        self._ending = False
        #: Whatever is answered next is the last.
        self._leaving = False
        self._reading = False
        self._begin()

    # ── what the loop calls ────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(_UNSENT_MAX)
        peer: Any = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""
        self._all.add(self)
        self._within(self._bounds.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.discard(self)
        self._due_s = math.inf
        self._flowing.set()
        if self._serving is not None:
            self._serving.cancel()

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        self._reading = True
        try:
            self._head_bytes += 0 if self._in_body else len(data)
            self._parser.feed_data(data)
            if self._reading:
                self._read_on()
        except Refused as refused:
            self._refuse(refused)
        except httptools.HttpParserUpgrade:
            # Answered as if it had not been wished for; what comes next may be no HTTP, so it is the last.
            self._ending = True
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Refused) else _UNREADABLE)
        except httptools.HttpParserError:
            self._refuse(_UNREADABLE)

    def eof_received(self) -> bool:
        """Who asked and then closed its side still gets what it asked for."""
        self._ending = True
        return self._serving is not None

    def pause_writing(self) -> None:
        self._flowing.clear()

    def resume_writing(self) -> None:
        self._flowing.set()

    # ── what the parser calls ──────────────────────────────────────────────────────────────────────────

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > _URL_MAX:
            raise Refused(414, "address", f"at most {_URL_MAX} bytes of address are read")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value) + 4
        self._header_count += 1
        if self._header_bytes > _HEAD_MAX or self._header_count > _HEADERS_MAX:
            raise Refused(431, "headers", f"at most {_HEADERS_MAX} headers, of {_HEAD_MAX} bytes in all, are read")
        if self._in_body:
            return  # a trailer: what a proxy took out of the head does not come in behind the body
        key, text = name.decode("ascii").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        self._in_body = True
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
        if len(length) > 9 or int(length) > self._bounds.body_max:
            raise self._too_large()
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > self._bounds.body_max:
            raise self._too_large()

    def on_message_complete(self) -> None:
        path, _, query = self._url.decode("latin-1").partition("?")
        request = Request(
            self._parser.get_method().decode("ascii"), path, query, self._headers, bytes(self._body), self._address
        )
        last = not self._parser.should_keep_alive()
        self._due_s = math.inf
        self._reading = False
        self._queue(request, last=last)
        self._begin_message()

    # ── answering ──────────────────────────────────────────────────────────────────────────────────────

    def leave(self, *, at_once: bool) -> None:
        """The next answer is the last. Who asks for nothing is let go `at_once` or stays: a request may be on its way,
        and a client that is cut off in the middle of it does not know whether it was heard.
        """
        self._leaving = True
        if at_once and self._serving is None and not self._reading:
            self._transport.close()

    def _queue(self, request: Request | Refused, *, last: bool) -> None:
        self._waiting.append((request, last))
        if self._serving is None:
            self._serving = self._loop.create_task(self._serve())
        elif len(self._waiting) >= _PIPELINED_MAX:
            self._transport.pause_reading()

    async def _serve(self) -> None:
        try:
            await self._answer_all()
        except Exception:  # the outermost edge: a defect of ours leaves nobody with half an answer
            log.exception("an answer broke off on a defect")
            self._transport.abort()

    async def _answer_all(self) -> None:
        """What waits, in the order it came."""
        while self._waiting:
            request, last = self._waiting.popleft()
            answer = request.response() if isinstance(request, Refused) else await self._answers(request)
            bare = isinstance(request, Request) and request.method == "HEAD"
            closing = last or ((self._ending or self._leaving) and not self._waiting)
            if isinstance(answer, Stream):
                await self._stream(answer, bare=bare)
                closing = True
            else:
                self._transport.write(head.whole(answer, closing=closing, bare=bare))
            if closing:
                self._transport.close()
                return
            if not self._flowing.is_set():
                await self._fetched()
        self._serving = None
        self._transport.resume_reading()
        if not self._reading:
            self._within(self._bounds.idle_s)

    async def _stream(self, stream: Stream, *, bare: bool) -> None:
        self._transport.write(head.streamed(stream))
        if bare:
            return
        async with aclosing(stream.parts) as parts:
            async for part in parts:
                self._transport.write(part)
                if not self._flowing.is_set():
                    await self._fetched()

    async def _fetched(self) -> None:
        """Until the client has taken most of what it asked for; who does not is let go."""
        try:
            async with asyncio.timeout(self._bounds.fetch_s):
                await self._flowing.wait()
        except TimeoutError:
            self._transport.abort()

    def _refuse(self, refused: Refused) -> None:
        """Behind what was asked before; nothing more is read."""
        self._ending = True
        self._due_s = math.inf
        self._queue(refused, last=True)

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._begin_message()

    def _begin_message(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._header_bytes = self._header_count = self._head_bytes = 0
        self._body = bytearray()
        self._in_body = False
        #: What time is being allowed for: nothing yet, the head, or the body.
        self._timed: Literal["", "head", "body"] = ""

    def _too_large(self) -> Refused:
        return Refused(413, "too_large", f"at most {self._bounds.body_max} bytes of body are read")

    def _read_on(self) -> None:
        """There is more to come: it may take its time, and no more."""
        if not self._in_body and self._head_bytes > _HEAD_MAX + _URL_MAX:
            raise Refused(431, "headers", f"at most {_HEAD_MAX} bytes of headers are read")
        part: Literal["head", "body"] = "body" if self._in_body else "head"
        if self._timed != part:
            self._timed = part
            self._within(self._bounds.body_s if self._in_body else self._bounds.head_s)

    def _within(self, seconds: float) -> None:
        self._due_s = self._loop.time() + seconds

    def look(self, now_s: float) -> None:
        """Asked by the server now and then: a timer for each head, body and pause would cost more than they do."""
        if now_s >= self._due_s:
            self._due_s = math.inf
            self._late()

    def _late(self) -> None:
        if self._reading:
            self._refuse(Refused(408, "timeout", "send it without a pause"))
        elif self._serving is None:
            self._transport.close()


_UNREADABLE: Final = Refused(400, "invalid", "this is no HTTP request")
