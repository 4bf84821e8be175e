"""Laws of what strangers send: it is refused in the one shape or cut off, nothing of it comes back, and whoever behaves
is served meanwhile."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count, cycle
from typing import Final

import pytest

from tests.http import corpus
from tests.http.bystander import Bystander
from tests.http.corpus import MARK, Sent
from tests.kit.dial import Answer, Dial, exchange, parsed
from tests.kit.endpoint import Endpoint

_GOOD: Final = b"GET /v1/recommendations/%b HTTP/1.1\r\nHost: shop.example\r\n\r\n"
#: The endpoint gives a head 5 s and a body 10 s; the rest is for a machine with other work.
_CUT_S: Final = 60.0
_TO: Final = b" HTTP/1.1\r\nHost: shop.example\r\n"
#: What a slow client sends at once, and what byte by byte.
_SLOW: Final = {
    "nothing": (b"", b""),
    "a head": (b"GET /v1/recommendations/slow" + _TO + b"X-Slow: ", b"a" * 2_000),
    "a body": (b"POST /v1/events" + _TO + b"Content-Length: 9999\r\n\r\n", b" " * 2_000),
    "chunks": (b"POST /v1/events" + _TO + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 400),
}


def judge(sent: Sent, answers: list[Answer]) -> None:
    for answer in answers:
        assert answer.status < 500, answer.raw
        assert MARK not in answer.raw, answer.raw
        assert sent.odd or answer.status >= 400 or took_nothing(answer), answer.raw
        if answer.status >= 400:
            is_problem(answer)


def took_nothing(answer: Answer) -> bool:
    """Events are judged one by one: a body of which each is refused is answered with a 200 that says so."""
    told = json.loads(answer.body)
    return answer.status == 200 and told.get("accepted") == [] and len(told["refused"]) > 0


def is_problem(answer: Answer) -> None:
    """The one shape of errors, whatever the matter."""
    problem = json.loads(answer.body)
    assert answer.header("content-type") == "application/problem+json; charset=utf-8"
    assert problem["status"] == answer.status
    assert problem["type"].startswith("urn:nextclick:")
    assert set(problem) <= {"type", "title", "status", "detail", "field", "accepted", "refused"}


@pytest.fixture(scope="module")
def good(unguarded: Endpoint) -> Iterator[Bystander]:
    """Asks as long as the tests of this file go on."""
    with Bystander(unguarded.port) as good:
        yield good


@pytest.mark.parametrize("sent", corpus.ALL, ids=lambda sent: sent.name)
def test_what_is_wrong_is_refused_or_cut_off(unguarded: Endpoint, good: Bystander, sent: Sent) -> None:
    judge(sent, exchange(unguarded.port, sent.data))
    assert good.failure is None


@pytest.mark.parametrize("sent", corpus.LENGTHS, ids=lambda sent: sent.name)
def test_no_message_is_taken_for_two(unguarded: Endpoint, sent: Sent) -> None:
    assert len(exchange(unguarded.port, sent.data)) <= 1 or sent.odd


def test_what_was_altered_at_random_does_no_harm(unguarded: Endpoint, good: Bystander) -> None:
    for sent in corpus.altered(2_000, seed=20_261_127):
        judge(sent, exchange(unguarded.port, sent.data))
    assert good.served


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_what_was_altered_at_random_does_no_harm_for_long(unguarded: Endpoint) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    with Bystander(unguarded.port) as good:
        for sent in corpus.altered(100_000, seed):
            judge(sent, exchange(unguarded.port, sent.data))
    assert good.served


def test_without_a_key_nothing_that_is_wrong_gets_further(guarded: Endpoint) -> None:
    for sent in corpus.ALL:
        for answer in exchange(guarded.port, sent.data):
            assert 400 <= answer.status < 500, (sent.name, answer.raw)
            assert MARK not in answer.raw, sent.name
            is_problem(answer)


def test_requests_that_come_at_once_are_answered_in_their_order(unguarded: Endpoint) -> None:
    paths = [b"/v1/recommendations/nobody?limit=%d" % n if n % 3 else b"/v1/missing" for n in range(1, 31)]
    sent = b"".join(b"GET %b HTTP/1.1\r\nHost: shop.example\r\n\r\n" % path for path in paths)

    answers = exchange(unguarded.port, sent)

    assert [answer.status for answer in answers] == [404 if path == b"/v1/missing" else 200 for path in paths]


def test_what_is_wrong_is_told_behind_what_was_right(unguarded: Endpoint) -> None:
    answers = exchange(unguarded.port, _GOOD % b"first" + _GOOD % b"second" + MARK + b"\r\n\r\n" + _GOOD % b"third")

    assert [answer.status for answer in answers] == [200, 200, 400]


def test_a_stream_has_no_head_to_ask_for(unguarded: Endpoint) -> None:
    asked = b" /v1/recommendations/nobody/stream" + _TO + b"Connection: close\r\n\r\n"
    with Dial(unguarded.port) as dial:
        dial.send(b"HEAD" + asked)
        dial.hear(_CUT_S)

    assert dial.said.startswith(b"HTTP/1.1 405 ")
    assert dial.said.endswith(b"\r\n\r\n")
    assert b"Allow: GET, OPTIONS\r\n" in dial.said


def test_what_comes_behind_a_body_is_no_header(guarded: Endpoint) -> None:
    head = b"POST /v1/recommendations/a HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n"

    [plain] = exchange(guarded.port, head + b"0\r\n\r\n")
    [trailed] = exchange(guarded.port, head + b"0\r\nOrigin: https://evil.example\r\nHost: evil.example\r\n\r\n")

    assert plain.body == trailed.body


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_hundred_slow_clients_are_cut_off_and_keep_nobody_from_being_served(unguarded: Endpoint) -> None:
    with Bystander(unguarded.port) as good:
        fates = be_slow(unguarded.port, 100)

    assert len(fates) == 100
    assert all(fates)
    assert good.served


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_beside_a_thousand_slow_clients_a_good_one_is_served_within_100_ms(unguarded: Endpoint) -> None:
    with Bystander(unguarded.port) as good:
        fates = be_slow(unguarded.port, 1_000)

    print(f"1,000 slow clients, all cut off: a good one's {len(good.waits_s)} requests took p50 "
          f"{good.quantile_s(0.5) * 1e3:.1f} ms, p99 {good.quantile_s(0.99) * 1e3:.1f} ms, "
          f"the longest {good.quantile_s(1) * 1e3:.1f} ms")  # fmt: skip
    assert all(fates)
    assert good.served
    assert good.quantile_s(0.99) < 0.1


def be_slow(port: int, clients: int) -> list[bool]:
    """Whether each of so many slow clients, of every kind, was cut off: by a refusal, or without a word."""
    with ExitStack() as stack:
        dials = [stack.enter_context(Dial(port)) for _ in range(clients)]
        slow = list(zip(dials, cycle(_SLOW.values())))
        for dial, (at_once, _) in slow:
            dial.send(at_once)
        until = time.monotonic() + _CUT_S
        for step in count():
            left = [(dial, bytewise) for dial, (_, bytewise) in slow if not dial.closed]
            if not left or time.monotonic() > until:
                break
            for dial, bytewise in left:
                dial.send(bytewise[step : step + 1])
                dial.glance()
            time.sleep(0.05)
        for dial in dials:
            for answer in parsed(dial.said):
                assert answer.status in {400, 408}
                is_problem(answer)
        return [dial.closed for dial in dials]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_who_fetches_nothing_is_let_go(unguarded: Endpoint) -> None:
    asked = _GOOD % b"nobody" * 1_000
    with Bystander(unguarded.port) as good, Dial(unguarded.port) as dial:
        until = time.monotonic() + _CUT_S
        while dial.send(asked, within_s=1.0) and time.monotonic() < until:
            pass

        assert time.monotonic() < until
    assert good.served
