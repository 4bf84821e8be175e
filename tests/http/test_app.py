"""A request's way: what it costs to be let in, and what happens to whom that is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from schemas.errors import NextclickError
from serving.http.app import App
from serving.http.bells import Bells
from serving.http.guard import Guard
from serving.http.lists import Made, Wanted, etag
from serving.http.metrics import Metrics
from serving.http.recommendations import Recommendations
from serving.http.request import Request
from serving.http.response import Response
from serving.state.gathered import Gathered
from serving.state.pipeline import Call, Reply
from serving.state.readings import Readings
from tests.kit.doors import KEY, guarded, token


class Wire:
    """A Redis that lets in whom it is told to, and has one list."""

    def __init__(self, *, lets_in: bool) -> None:
        self._fate = [b"1", b"0"] if lets_in else [b"1", b"1", b"3000000"]
        self.rounds: list[list[str]] = []

    async def each(self, calls: Sequence[Call]) -> list[Reply | NextclickError]:
        self.rounds.append([str(call.arguments[0]) for call in calls])
        nothing = cast(Reply, [None] * 4)
        return [self._fate if call.arguments[0] == "EVALSHA" else nothing for call in calls]


class Lists:
    """What is made is what Redis was asked for."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self.made = 0

    async def make(self, wanted: Wanted, *, changed: bool = False) -> Made:
        if wanted.session_id is not None:
            await self._readings.stored(wanted.session_id)
        self.made += 1
        return Made.of(b"{}", "", 1_000, "m1", None)

    async def stored(self, wanted: Wanted, *, changed: bool = False) -> Made | None:
        return None if wanted.session_id is None else await self.make(wanted, changed=changed)


def asked(wire: Wire, query: str = "", of: str = "s-1", **headers: str) -> tuple[Response, int]:
    """The answer, and how many lists were made for it."""

    async def whole() -> tuple[Response, int]:
        redis = Gathered(wire)
        lists = Lists(Readings(redis))
        metrics = Metrics(CollectorRegistry())
        polls = Recommendations(lists, Bells(), metrics)
        app = App(polls.operations(), Guard(guarded(), redis, metrics, time.time), metrics)
        named = {name.replace("_", "-"): value for name, value in {"x_api_key": KEY, **headers}.items()}
        answer = await app(Request("GET", f"/v1/recommendations/{of}", query, named, address="192.0.2.1"))
        return cast(Response, answer), lists.made

    return asyncio.run(whole())


def own() -> str:
    return token("s-1", now=time.time())


def test_a_poll_of_ones_own_list_is_counted_and_answered_in_one_round_trip() -> None:
    wire = Wire(lets_in=True)

    answer, _ = asked(wire, x_session_token=own())

    assert answer.status == 200
    assert wire.rounds == [["EVALSHA", "HMGET"]]


def test_whoever_waits_looks_once_before_it_and_once_after() -> None:
    wire = Wire(lets_in=True)
    answer, made = asked(wire, "wait=1", x_session_token=own(), if_none_match=etag(b"{}"))

    assert (answer.status, made) == (304, 2)
    assert wire.rounds == [["EVALSHA", "HMGET"], ["HMGET"]]


@pytest.mark.parametrize(("query", "known"), [("after=00000000.0.1", ""), ("wait=1", '"x"')])
def test_who_waits_for_anothers_list_is_answered_like_anybody(query: str, known: str) -> None:
    tag = Made.of(b"{}", "", 1_000, "m1", None).etag if known else ""

    answer, _ = asked(Wire(lets_in=True), query, "s-2", x_session_token=own(), if_none_match=tag)

    assert answer.status == (304 if known else 200)


@pytest.mark.parametrize("query", ["", "limit=0", "unknown=1"])
def test_who_asks_too_often_learns_only_that(query: str) -> None:
    answer, made = asked(Wire(lets_in=False), query, x_session_token=own())

    assert (answer.status, made) == (429, 0)
    assert ("Retry-After", "3") in answer.headers


@pytest.mark.parametrize("proof", ["", "1.t1.nothing.proved", "another's"])
def test_for_a_stranger_nothing_is_done_before_he_is_counted(proof: str) -> None:
    wire = Wire(lets_in=False)

    answer, made = asked(wire, x_session_token=token("s-2", now=time.time()) if proof == "another's" else proof)

    assert (answer.status, made) == (429, 0)
    assert wire.rounds == [["EVALSHA"]]


@pytest.mark.parametrize("proven", [True, False])
def test_who_asks_wrongly_is_told_so_once_he_is_counted(proven: bool) -> None:
    wire = Wire(lets_in=True)

    answer, made = asked(wire, "limit=0", x_session_token=own() if proven else "")

    assert (answer.status, made) == (400, 0)
    assert wire.rounds == [["EVALSHA"]]
