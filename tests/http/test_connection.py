"""Laws of one connection: it ends whatever its client does or leaves undone, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import time
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Final

import pytest

from nextclick.servers import LOOPBACK
from serving.http.connection import Bounds
from serving.http.problems import Refused
from serving.http.request import Request
from serving.http.response import Response, Stream
from tests.http.opened import Opened
from tests.kit.dial import Dial, exchange
from tests.kit.topic import eventually

_GOOD: Final = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"
_LAST: Final = b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
#: Nobody is let go by these unless a test means it.
_PATIENT: Final = Bounds(head_s=60, body_s=60, idle_s=60, fetch_s=60)
_WAIT_S: Final = 20.0


async def short(_: Request) -> Response:
    return Response(200, b"{}")


async def long(_: Request) -> Response:
    return Response(200, b"x" * 40_000)


def unread(port: int) -> socket.socket:
    """A client that takes as little as it can."""
    asking = socket.socket()
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
    asking.connect((LOOPBACK, port))
    return asking


@pytest.mark.parametrize("ending", [b"Connection: close\r\n", b""], ids=["to the end", "and keeps the connection"])
def test_who_asks_and_does_not_read_is_let_go(ending: bytes) -> None:
    async def sized(request: Request) -> Response:
        return Response(200, b"x" * int(request.path[1:]))

    # What the kernel takes is not known: to some of these sizes it leaves us less than we wait for to be fetched.
    with Opened(sized, Bounds(head_s=1, idle_s=1, fetch_s=1)) as server, ExitStack() as stack:
        for size in range(500_000, 6_000_000, 60_000):
            asking = stack.enter_context(closing(unread(server.port)))
            asking.sendall(b"GET /%d HTTP/1.1\r\nHost: shop\r\n%b\r\n" % (size, ending))
        eventually(lambda: server.held == 0, "all are let go", _WAIT_S)


def test_of_a_stream_that_nobody_reads_little_is_held_by_us_and_the_kernel() -> None:
    sent = 0

    async def endless(_: Request) -> Stream:
        async def parts() -> AsyncGenerator[bytes, None]:
            nonlocal sent
            while True:
                sent += 4_096
                yield bytes(4_096)

        return Stream(parts())

    with Opened(endless, Bounds(fetch_s=1)) as server, closing(unread(server.port)) as asking:
        asking.sendall(_GOOD)
        eventually(lambda: sent > 0 and server.held == 0, "it is let go", _WAIT_S)
    assert sent < 1_000_000


def test_who_closes_its_side_and_does_not_read_is_let_go() -> None:
    with Opened(long, Bounds(head_s=1, idle_s=60, fetch_s=1)) as server, ExitStack() as stack:
        for asked in range(1, 120):
            asking = stack.enter_context(closing(unread(server.port)))
            asking.sendall(_GOOD * asked)
            asking.shutdown(socket.SHUT_WR)
        eventually(lambda: server.held == 0, "all are let go", _WAIT_S)


@pytest.mark.parametrize("size", [300_000, 5_000_000, 20_000_000])
def test_who_sends_too_much_hears_of_it_once_all_is_sent(size: int) -> None:
    with Opened(short, _PATIENT) as server:
        for _ in range(5):
            with closing(http.client.HTTPConnection(LOOPBACK, server.port, timeout=_WAIT_S)) as client:
                client.request("POST", "/", body=b"x" * size)
                assert client.getresponse().status == 413
        eventually(lambda: server.held == 0, "all have gone", _WAIT_S)


def test_who_is_refused_and_goes_on_sending_is_cut_off() -> None:
    with Opened(short, replace(_PATIENT, dropped_max=1_000_000)) as server, Dial(server.port) as dial:
        until = time.monotonic() + _WAIT_S
        dial.send(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 99999999\r\n\r\n")
        while dial.send(b" " * 100_000) and time.monotonic() < until:
            pass
        assert time.monotonic() < until


def test_who_is_refused_and_stays_is_let_go() -> None:
    with Opened(short, Bounds(head_s=60, idle_s=60, fetch_s=1)) as server, Dial(server.port) as dial:
        dial.send(b"no request\r\n\r\n")
        [answer] = dial.hear(_WAIT_S)
        assert answer.status == 400
        eventually(lambda: server.held == 0, "it is let go", _WAIT_S)


def test_the_end_waits_for_nobody_who_has_his_answer() -> None:
    with Opened(short, _PATIENT) as server, Dial(server.port) as refused, Dial(server.port) as answered:
        refused.send(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 99999999\r\n\r\n")
        answered.send(_LAST)
        assert [answer.status for answer in refused.hear(_WAIT_S)] == [413]
        assert [answer.status for answer in answered.hear(_WAIT_S)] == [200]
        server.stop(_WAIT_S)
        assert server.held == 0


def test_requests_that_come_at_once_let_others_have_their_turn() -> None:
    turns = 0
    most = 0
    answered = 0

    async def counted(_: Request) -> Response:
        nonlocal answered, most
        answered += 1
        most = max(most, answered)
        return Response(200, b"{}")

    async def turn() -> None:
        nonlocal answered, turns
        while True:
            answered = 0
            turns += 1
            await asyncio.sleep(0)

    with Opened(counted, _PATIENT) as server:
        turning = asyncio.run_coroutine_threadsafe(turn(), server.loop)
        answers = exchange(server.port, _GOOD * 3_000, _WAIT_S)
        turning.cancel()

    assert len(answers) == 3_000
    assert most <= 2


def test_of_requests_that_come_at_once_few_are_read_before_the_first_is_answered() -> None:
    begun = threading.Event()

    async def never(_: Request) -> Response:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    with Opened(never, _PATIENT) as server, Dial(server.port) as dial:
        tracemalloc.start()
        try:
            dial.send(b"GET / HTTP/1.1\r\nHost:x\r\n\r\n" * 20_000, 1.0)
            assert begun.wait(_WAIT_S)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    # Of one read, 256 KB, all are ten times as much.
    assert held < 1_500_000


def test_who_waits_for_us_is_not_late() -> None:
    """More is on its way than is read before the first is answered: the head that is cut in two there is in time."""

    async def slow(_: Request) -> Response:
        await asyncio.sleep(0.02)
        return Response(200, b"{}")

    with Opened(slow, Bounds(head_s=0.3, fetch_s=60)) as server:
        answers = exchange(server.port, _GOOD * 100, _WAIT_S)

    assert [answer.status for answer in answers] == [200] * 100


@pytest.mark.parametrize("first", [b"", _GOOD], ids=["alone", "behind a whole request"])
def test_half_a_head_is_late(first: bytes) -> None:
    with Opened(short, Bounds(head_s=0.5, idle_s=120)) as server, Dial(server.port) as dial:
        dial.send(first + b"GET / HTTP/1.1\r\nHo")
        answers = dial.hear(_WAIT_S)

    assert [answer.status for answer in answers] == [200, 408][not first :]


def test_who_is_in_the_middle_of_a_head_is_not_let_go_at_once() -> None:
    with Opened(short, Bounds(head_s=60)) as server, Dial(server.port) as dial:
        dial.send(_GOOD + _GOOD[:20])
        dial.hear(_WAIT_S, answers=1)
        stopping = threading.Thread(target=server.stop, args=(_WAIT_S,))
        stopping.start()
        time.sleep(0.3)
        dial.send(_GOOD[20:])
        answers = dial.hear(_WAIT_S)
        stopping.join(_WAIT_S)

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[1].header("connection") == "close"


class Odd(BaseException):
    """Nothing that is foreseen."""


@pytest.mark.parametrize("defect", [ValueError, asyncio.CancelledError, Odd])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_whatever_breaks_an_answer_off_leaves_nobody_waiting(defect: type[BaseException]) -> None:
    async def broken(_: Request) -> Response:
        raise defect

    with Opened(broken, _PATIENT) as server, Dial(server.port) as dial:
        dial.send(_GOOD)
        assert dial.hear(_WAIT_S) == []
        assert dial.closed
        eventually(lambda: server.held == 0, "it is gone", _WAIT_S)


async def parts() -> AsyncGenerator[bytes, None]:
    yield b"data: {}\n\n"


async def every_kind(request: Request) -> Response | Stream:
    if request.path == "/stream":
        return Stream(parts())
    if request.path == "/refused":
        return Refused(403, "session", "it is not yours").response()
    return Response(int(request.path[1:]), b"{}")


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"GET /200 HTTP/1.1", 200),
        (b"HEAD /200 HTTP/1.1", 200),
        (b"GET /304 HTTP/1.1", 304),
        (b"GET /refused HTTP/1.1", 403),
        (b"GET /503 HTTP/1.1", 503),
        (b"GET /stream HTTP/1.1", 200),
        (b"GET /" + b"a" * 3_000 + b" HTTP/1.1", 414),
        (b"no request", 400),
    ],
    ids=lambda given: given[:20].decode() if isinstance(given, bytes) else str(given),
)
def test_every_answer_bears_what_protects_it_and_none_tells_who_serves(asked: bytes, status: int) -> None:
    with Opened(every_kind, _PATIENT) as server, Dial(server.port) as dial:
        dial.send(asked + b"\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
        dial.hear(_WAIT_S)

    head = dial.said.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert head[0].startswith(b"HTTP/1.1 %d " % status)
    assert head.count(b"X-Content-Type-Options: nosniff") == 1
    assert head.count(b"Referrer-Policy: no-referrer") == 1
    names = {line.partition(b":")[0].lower() for line in head[1:]}
    assert not names & {b"server", b"x-powered-by", b"via"}


def test_one_client_more_than_may_be_is_closed_at_once_and_a_place_that_becomes_free_is_given() -> None:
    def is_served(dial: Dial) -> bool:
        before = len(dial.hear(0.0))
        dial.send(_GOOD)
        return len(dial.hear(_WAIT_S, before + 1)) == before + 1

    with Opened(short, _PATIENT, connections_max=2) as server, Dial(server.port) as first:
        with Dial(server.port) as second, Dial(server.port) as third:
            assert is_served(first)
            assert is_served(second)
            assert third.hear(_WAIT_S) == []
            assert third.closed
            assert is_served(first)
            assert is_served(second)
        eventually(lambda: server.held == 1, "a place is free", _WAIT_S)
        with Dial(server.port) as fourth:
            assert is_served(fourth)
            assert is_served(first)
