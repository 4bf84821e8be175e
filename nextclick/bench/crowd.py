"""Shoppers who poll: requests leave when they are due, whether or not the ones before were answered.

A connection carries one request at a time. Where all are busy a request waits for one, and that waiting is
part of what it took.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import uvloop

#: For what is still on its way when the last has left.
_LAST_LOOKS: Final = 500
_LOOK_S: Final = 0.01


@dataclass(slots=True)
class Polled:
    """What came of a stretch of polling."""

    rate: int
    each_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


class _Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, answered: Callable[[_Line, int, bytes], None]) -> None:
        self._answered = answered
        self._held = b""
        self.due_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes, due_s: float) -> None:
        self.due_s = due_s
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._held = self._held + data if self._held else data
        ends = self._held.find(b"\r\n\r\n")
        if ends < 0:
            return
        head = self._held[:ends]
        if len(self._held) - ends - 4 >= _length(head):
            self._held = b""
            self._answered(self, int(head[9:12]), head)

    def close(self) -> None:
        self._transport.close()


def _length(head: bytes) -> int:
    return int(header(head, b"Content-Length") or 0)


def header(head: bytes, name: bytes) -> bytes:
    """Of an answer's head as our own server writes it; nothing where it is not there."""
    _, found, rest = head.partition(b"\r\n" + name + b": ")
    return rest.partition(b"\r\n")[0] if found else b""


class Crowd:
    def __init__(self, host: str, port: int, lines: int, ask: Callable[[int], bytes]) -> None:
        """`ask` gives the bytes of the nth request."""
        self._place = host, port
        self._lines = lines
        self._ask = ask
        self._idle: deque[_Line] = deque()
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._polled = Polled(0)

    def play(self, rates: Sequence[int], seconds: float) -> list[Polled]:
        # Its timers are up to a millisecond late, which is told of the server. Python's own loop is more punctual, and
        # takes so much of a core that the server would go short of it.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(self._play(rates, seconds))

    async def _play(self, rates: Sequence[int], seconds: float) -> list[Polled]:
        loop = asyncio.get_running_loop()
        made = [await loop.create_connection(lambda: _Line(self._answered), *self._place) for _ in range(self._lines)]
        lines = [line for _, line in made]
        self._idle, self._waiting = deque(lines), deque()
        numbers = iter(range(1 << 60))
        try:
            return [await self._stretch(numbers, rate, seconds) for rate in rates]
        finally:
            for line in lines:
                line.close()

    async def _stretch(self, numbers: Iterator[int], rate: int, seconds: float) -> Polled:
        self._polled = polled = Polled(rate)
        begun_s, count = time.perf_counter(), int(rate * seconds)
        for number in range(count):
            due_s = begun_s + number / rate
            if (early_s := due_s - time.perf_counter()) > 0:
                await asyncio.sleep(early_s)
            self._send(self._ask(next(numbers)), due_s)
        for _ in range(_LAST_LOOKS):
            if len(polled.each_ms) == count:
                break
            await asyncio.sleep(_LOOK_S)
        polled.each_ms += [float("inf")] * (count - len(polled.each_ms))
        return polled

    def _send(self, request: bytes, due_s: float) -> None:
        if self._idle:
            self._idle.popleft().ask(request, due_s)
        else:
            self._waiting.append((request, due_s))

    def _answered(self, line: _Line, status: int, head: bytes) -> None:
        self._polled.each_ms.append(1_000 * (time.perf_counter() - line.due_s))
        self._polled.statuses[status] += 1
        if self._waiting:
            line.ask(*self._waiting.popleft())
        else:
            self._idle.append(line)
