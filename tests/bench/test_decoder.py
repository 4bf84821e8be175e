"""How long the decoder takes over a click, and over what is none."""

from __future__ import annotations

from contextlib import suppress
from time import perf_counter

import pytest

from nextclick.bench import conditions
from schemas import click
from schemas.errors import DataError
from tests.worlds.payloads import payloads

pytestmark = pytest.mark.bench

GOOD = b'{"event_id":"e1","session_id":"s-1","item_id":"lamp","type":"view","ts":1700000000000}'


def test_microseconds_a_payload() -> None:
    good_us = [_timed(GOOD) for _ in range(200_000)]
    hostile_us = [_timed(payload) for payload in payloads(seed=2, count=200_000)]

    print(f"\n{conditions.line('msgspec')}")
    for name, spent in (("a click", sorted(good_us)), ("a mutated payload", sorted(hostile_us))):
        p50, p99, worst = spent[len(spent) // 2], spent[len(spent) * 99 // 100], spent[-1]
        print(f"{name}: p50 {p50:.1f} us, p99 {p99:.1f} us, worst {worst:.0f} us")


def _timed(payload: bytes) -> float:
    """The quickest of three: what is left is the decoder's own time, without the scheduler's."""
    return min(_once(payload) for _ in range(3))


def _once(payload: bytes) -> float:
    started = perf_counter()
    with suppress(DataError):
        click.decode(payload)
    return (perf_counter() - started) * 1e6
