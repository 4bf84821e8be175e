"""One client's connection: requests are answered one after the other, it is kept alive, and it always ends.

Everything a stranger may do to a server by taking his time or by piling up ends here: a head or a body
that is too slow, requests piled up before they are answered, answers that are not fetched, a connection
that is not given up. What one request may hold is reading.py's.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, cast

from serving.http import head
from serving.http.problems import Refused
from serving.http.reading import Part, Reader
from serving.http.request import Request
from serving.http.response import Response, Stream

log = logging.getLogger(__name__)

#: Requests of one client that are read before the first is answered, beside what the last piece holds of them.
_PIPELINED_MAX: Final = 16
#: What comes at once is read in such pieces. Most requests are one.
_PIECE: Final = 1024
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
    #: For a client that does not fetch what it asked for, or does not go when it has its last answer.
    fetch_s: float = 10.0
    #: What a client may still send when nothing more is read of it.
    dropped_max: int = 32 * 1024 * 1024


Answers = Callable[[Request], Awaitable[Response | Stream]]


class Connection(asyncio.Protocol):
    def __init__(self, answers: Answers, bounds: Bounds, all_: set[Connection]) -> None:
        self._answers = answers
        self._bounds = bounds
        self._all = all_
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Request | Refused, bool]] = deque()
        #: What came with them and is to be read when fewer wait.
        self._rest = memoryview(b"")
        self._serving: asyncio.Task[None] | None = None
        #: What is due by then; the server looks now and then.
        self._due_s = math.inf
        #: What it is that is due, of what is read.
        self._timed: Part = ""
        self._flowing = asyncio.Event()
        self._flowing.set()
        #: Nothing more is read.
        self._ending = False
        self._dropped = 0
        #: Whatever is answered next is the last.
        self._leaving = False
        #: The client sends nothing more.
        self._heard_all = False
        #: Nothing more is sent.
        self._closed = False

    # ── what the loop calls ────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(_UNSENT_MAX)
        peer: Any = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        self._reader = Reader(address, self._bounds.body_max, self._queue, self._transport.write)
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
            self._drop(len(data))
        elif len(data) <= _PIECE:
            self._read(data)
        else:
            self._rest = memoryview(data)
            self._read_on()

    def eof_received(self) -> bool:
        """Who asked and then closed its side still gets what it asked for."""
        self._ending = self._heard_all = True
        if self._serving is None:
            self._close(at_once=True)
        return True

    def pause_writing(self) -> None:
        self._flowing.clear()

    def resume_writing(self) -> None:
        self._flowing.set()

    # ── reading ────────────────────────────────────────────────────────────────────────────────────────

    def _read_on(self) -> None:
        while self._rest and not self._ending and len(self._waiting) < _PIPELINED_MAX:
            piece, self._rest = self._rest[:_PIECE], self._rest[_PIECE:]
            self._read(piece)

    def _read(self, piece: bytes | memoryview) -> None:
        try:
            self._ending = not self._reader.feed(piece)
        except Refused as refused:
            self._refuse(refused)
        else:
            if self._reader.part != self._timed:
                self._time()

    def _time(self) -> None:
        """What is half read may take its time, and no more; that in which we do not read is ours."""
        if not self._transport.is_reading():
            return
        self._timed = self._reader.part
        self._within(self._bounds.body_s if self._timed == "body" else self._bounds.head_s)

    def _queue(self, request: Request | Refused, last: bool) -> None:
        self._due_s = math.inf
        self._timed = ""
        self._waiting.append((request, last))
        if self._serving is None:
            self._serving = self._loop.create_task(self._serve())
        elif len(self._waiting) >= _PIPELINED_MAX:
            self._transport.pause_reading()

    def _refuse(self, refused: Refused) -> None:
        """Behind what was asked before; nothing more is read."""
        self._ending = True
        self._queue(refused, True)

    def _drop(self, size: int) -> None:
        """Who is refused in the middle of sending hears of it once he has sent: a reset would overtake the answer."""
        self._dropped += size
        if self._dropped > self._bounds.dropped_max:
            self._transport.abort()

    # ── answering ──────────────────────────────────────────────────────────────────────────────────────

    async def _serve(self) -> None:
        try:
            await self._answer_all()
        except Exception:  # the outermost edge: a defect of ours leaves nobody with half an answer
            log.exception("an answer broke off on a defect")
            self._transport.abort()
        except BaseException:  # cancelled, by whomever: nobody waits for an answer that nobody makes
            self._transport.abort()
            raise

    async def _answer_all(self) -> None:
        """What waits, in the order it came. Between two answers others have their turn."""
        while self._waiting:
            request, last = self._waiting.popleft()
            if self._rest:
                self._read_on()
            answer = request.response() if isinstance(request, Refused) else await self._answers(request)
            bare = isinstance(request, Request) and request.method == "HEAD"
            closing = last or ((self._ending or self._leaving) and not self._waiting)
            if isinstance(answer, Stream):
                await self._stream(answer, bare=bare)
                closing = True
            else:
                self._transport.write(head.whole(answer, closing=closing, bare=bare))
            if closing:
                self._close()
                return
            if not self._flowing.is_set():
                await self._fetched()
            elif self._waiting:
                await asyncio.sleep(0)
        if self._ending:
            self._close()
            return
        self._serving = None
        self._transport.resume_reading()
        if not self._reader.part:
            self._within(self._bounds.idle_s)
        elif not self._timed:
            self._time()

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

    # ── the end ────────────────────────────────────────────────────────────────────────────────────────

    def leave(self, *, at_once: bool) -> None:
        """The next answer is the last. Who asks for nothing is let go `at_once` or stays: a request may be on its way,
        and a client that is cut off in the middle of it does not know whether it was heard.
        """
        self._leaving = True
        if at_once and self._serving is None and (self._closed or not self._reader.part):
            self._close(at_once=True)

    def _close(self, *, at_once: bool = False) -> None:
        """Every end. The client has a while to take what is left for it, and to go: of who is still sending, what he
        sends is dropped so long, since to close on it would take back what he was just told.
        """
        self._serving = None
        self._ending = True
        if not self._closed:
            self._closed = True
            self._within(self._bounds.fetch_s)
        if at_once or self._heard_all:
            self._transport.close()
        elif not self._transport.is_closing():
            self._transport.write_eof()
            self._transport.resume_reading()

    def _within(self, seconds: float) -> None:
        self._due_s = self._loop.time() + seconds

    def look(self, now_s: float) -> None:
        """Asked by the server now and then: a timer for each head, body and pause would cost more than they do."""
        if now_s >= self._due_s:
            self._due_s = math.inf
            self._late()

    def _late(self) -> None:
        if self._closed:
            self._transport.abort()
        elif self._reader.part:
            self._refuse(Refused(408, "timeout", "send it without a pause"))
        elif self._serving is None:
            self._close(at_once=True)
