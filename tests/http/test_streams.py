"""Laws of streams: what a client has not yet is sent, what it has is not, and it is told to come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from schemas import keys
from schemas.placement import Placement
from serving.http.bells import Bells
from serving.http.lists import Made, Wanted, etag
from serving.http.metrics import Metrics
from serving.http.placements import Placements
from serving.http.problems import Refused
from serving.http.request import Caller, Request
from serving.http.streams import Asked, Streams

OWN = Caller(session_id="s")
#: Sooner than anybody would look by himself.
AT_ONCE_S = 1.5


class Lists:
    def __init__(self) -> None:
        self.bodies = {"default": b"first", "basket": b"other"}
        self.fallback: str | None = None

    async def make(self, wanted: Wanted, *, changed: bool = False) -> Made:
        body = self.bodies[wanted.placement] if wanted.session_id == "s" else b"popular"
        return Made.of(body, "1.1.0", 1_000, "m1", self.fallback)


class Desk:
    def __init__(self, most: int = 10) -> None:
        self.lists, self.bells = Lists(), Bells()
        placements = Placements({name: Placement(name=name) for name in self.lists.bodies})
        self.registry = CollectorRegistry()
        self.streams = Streams(self.lists, self.bells, placements, Metrics(self.registry), most)

    async def open(self, known: str = "", caller: Caller = OWN, **asked: Any) -> AsyncGenerator[bytes, None]:
        headers = {"last-event-id": known} if known else {}
        answer = await self.streams.answer(Asked("s", **asked), Request("GET", "/", headers=headers), caller)
        parts = answer.parts
        assert await anext(parts) == b"retry: 2000\n\n"
        return parts

    def store(self, body: bytes) -> None:
        self.lists.bodies["default"] = body
        self.bells.ring(keys.fingerprint("s"))


def played(scene: Callable[[Desk], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene(Desk()))


def name(body: bytes) -> str:
    return etag(body).strip('"')


def event(body: bytes) -> bytes:
    return b"event: recommendations\nid: %b\ndata: %b\n\n" % (name(body).encode(), body)


def test_the_list_that_there_is_comes_first_and_then_each_new_one() -> None:
    async def scene(desk: Desk) -> None:
        parts = await desk.open()
        assert await anext(parts) == event(b"first")
        desk.store(b"second")
        assert await asyncio.wait_for(anext(parts), AT_ONCE_S) == event(b"second")

    played(scene)


def test_a_client_that_comes_back_is_not_sent_what_it_has() -> None:
    async def scene(desk: Desk) -> None:
        parts = await desk.open(name(b"first"))
        coming = asyncio.ensure_future(anext(parts))
        await asyncio.sleep(0.05)
        assert not coming.done()
        desk.store(b"second")
        assert await asyncio.wait_for(coming, AT_ONCE_S) == event(b"second")

    played(scene)


def test_one_stream_serves_every_placement_of_a_page_and_its_last_event_names_them_all() -> None:
    async def scene(desk: Desk) -> None:
        parts = await desk.open(placement="default,basket")
        first = await anext(parts)
        assert first.count(b"event: recommendations") == 2
        assert first.count(b"id: ") == 1
        known = first.partition(b"id: ")[2].partition(b"\n")[0].decode()
        again = await desk.open(known, placement="default,basket")
        coming = asyncio.ensure_future(anext(again))
        await asyncio.sleep(0.05)
        assert not coming.done()
        desk.store(b"second")
        told = await asyncio.wait_for(coming, AT_ONCE_S)
        assert (told.count(b"event: "), b"data: second" in told) == (1, True)

    played(scene)


def test_an_event_that_lacks_a_service_is_counted() -> None:
    async def scene(desk: Desk) -> None:
        desk.lists.fallback = "redis"
        parts = await desk.open()
        await anext(parts)
        await parts.aclose()
        assert desk.registry.get_sample_value("nextclick_http_fallbacks_total", {"reason": "redis"}) == 1

    played(scene)


def test_a_stranger_is_sent_what_everybody_is() -> None:
    async def scene(desk: Desk) -> None:
        parts = await desk.open(caller=Caller(session_id="t"))
        assert await anext(parts) == event(b"popular")

    played(scene)


def test_a_client_is_told_to_come_back_when_the_process_ends() -> None:
    async def scene(desk: Desk) -> None:
        parts = await desk.open()
        await anext(parts)
        desk.streams.draining = True
        desk.bells.ring_all()
        assert await asyncio.wait_for(anext(parts), AT_ONCE_S) == b"event: bye\ndata: {}\n\n"
        with pytest.raises(StopAsyncIteration):
            await anext(parts)

    played(scene)


def test_one_stream_more_than_there_may_be_is_refused_until_another_ends() -> None:
    async def scene(desk: Desk) -> None:
        desk = Desk(most=1)
        parts = await desk.open()
        with pytest.raises(Refused) as refused:
            await desk.open()
        assert refused.value.status == 503
        await parts.aclose()
        await desk.open()

    played(scene)


@pytest.mark.parametrize("placement", ["nosuch", "default,nosuch"])
def test_a_placement_that_nobody_knows_is_refused_before_a_stream_begins(placement: str) -> None:
    async def scene(desk: Desk) -> None:
        with pytest.raises(Refused) as refused:
            await desk.streams.answer(Asked("s", placement=placement), Request("GET", "/"), OWN)
        assert (refused.value.status, refused.value.field) == (400, "placement")

    played(scene)
