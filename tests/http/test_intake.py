"""Laws of POST /v1/events on a real Kafka: what is told to be accepted lies there, whatever becomes of Kafka."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
import pytest

from schemas.click import decode
from schemas.session import Position
from schemas.settings import Settings
from schemas.topics import Topics
from serving.http.events import Taken
from serving.http.request import Caller
from serving.http.response import Response
from serving.state import topics
from serving.state.clickstream import Clickstream
from tests.http.posting import NOW, event, post
from tests.kit import topic
from tests.kit.rungs import Kafka
from tests.kit.shop import Shop

T = TypeVar("T")


def with_clickstream(settings: Settings, body: Callable[[Clickstream], Awaitable[T]]) -> T:
    async def whole() -> T:
        clickstream = Clickstream.of(settings)
        await clickstream.open()
        try:
            return await body(clickstream)
        finally:
            await clickstream.close()

    return asyncio.run(whole())


def test_an_event_that_is_told_to_be_accepted_lies_in_kafka_at_its_position(shop: Shop) -> None:
    # given events of several sessions, hence of several partitions, and one that is refused among them
    sent = [event(session_id=f"s{n}", ts=NOW + n) for n in range(20)]
    sent.insert(7, event(session_id="s7", type="stare"))

    # when
    name = shop.names.clickstream
    answer = with_clickstream(shop.settings, lambda clickstream: post(clickstream, sent, topic=name))

    # then
    told = msgspec.json.decode(answer.body, type=Taken)
    lying = {
        str(Position(shop.epoch, raw.partition, raw.offset)): raw for raw in topic.read_all(shop.settings.kafka, name)
    }
    assert [each.index for each in told.accepted] == [index for index in range(21) if index != 7]
    assert {each.position for each in told.accepted} == lying.keys()
    for each in told.accepted:
        raw = lying[each.position]
        assert decode(raw.value or b"").event_id == each.event_id == sent[each.index]["event_id"]
        assert raw.key == str(sent[each.index]["session_id"]).encode()


def test_an_accepted_event_is_folded_into_its_session(shop: Shop, sid: str) -> None:
    worker = shop.worker()
    worker.await_assigned()
    sent = [{"event_id": f"{sid}-{n}", "type": "view", "item_id": f"i{n}"} for n in range(3)]

    name = shop.names.clickstream
    caller = Caller(session_id=sid)
    answer = with_clickstream(shop.settings, lambda clickstream: _now(clickstream, sent, caller, name))

    assert len(msgspec.json.decode(answer.body, type=Taken).accepted) == 3
    clicks = shop.clicks(1, 1, session_id=sid)
    topic.eventually(lambda: shop.folded(clicks) == 3, "all three are folded")
    assert shop.letters() == []
    assert worker.stop() == 0


async def _now(clickstream: Clickstream, body: object, caller: Caller, name: str) -> Response:
    return await post(clickstream, body, caller, topic=name, now=time.time_ns() // 1_000_000)


async def _until(status: int, ask: Callable[[], Awaitable[Response]]) -> Response:
    async with asyncio.timeout(30):
        while (answer := await ask()).status != status:  # noqa: ASYNC110 - it asks again, as a storefront would
            await asyncio.sleep(0.2)
    return answer


@pytest.mark.needs("ours")
def test_a_frozen_kafka_is_told_in_time_and_a_retry_doubles_nothing(kafka: Kafka, shop: Shop, sid: str) -> None:
    # given a shopper whom the worker knows
    assert kafka.server is not None
    server, worker, name = kafka.server, shop.worker(), shop.names.clickstream
    worker.await_assigned()
    caller, clicks = Caller(session_id=sid), shop.clicks(1, 1, session_id=sid)
    first, second = ([{"event_id": f"{sid}-{n}", "type": "view", "item_id": "lamp"}] for n in range(2))

    away = list[bool]()

    async def whole(clickstream: Clickstream) -> list[Response]:
        answers = [await _now(clickstream, first, caller, name)]
        server.pause()
        try:
            # when Kafka freezes, a click is sent, and sent again by two at once
            answers.append(await _until(503, lambda: _now(clickstream, second, caller, name)))
            away.append(clickstream.is_away)
            async with asyncio.timeout(20):
                answers += await asyncio.gather(*(_now(clickstream, second, caller, name) for _ in range(2)))
        finally:
            server.resume()
        answers.append(await _until(200, lambda: _now(clickstream, second, caller, name)))
        away.append(clickstream.is_away)
        return answers

    statuses = [answer.status for answer in with_clickstream(shop.settings, whole)]

    # then all were told, and the session has it once
    assert statuses == [200, 503, 503, 503, 200]
    assert away == [True, False], "it says so, until something is taken"
    topic.eventually(lambda: shop.folded(clicks) == 2, "both clicks are folded")
    topic.eventually(lambda: shop.sessions_that_differ() == [], "every copy is folded")
    assert shop.folded(clicks) == 2
    assert worker.stop() == 0


def test_an_endpoint_begins_without_kafka(settings: Settings) -> None:
    # given that there is no topic yet
    name = Topics.named(settings.topic_prefix).clickstream

    async def whole() -> tuple[int, int]:
        clickstream = Clickstream.of(settings)
        running = asyncio.create_task(clickstream.run())
        try:
            before = await post(clickstream, event(session_id="s1"), topic=name)
            await asyncio.to_thread(topics.create, settings, 30)
            async with asyncio.timeout(30):
                while clickstream.is_away:  # noqa: ASYNC110 - what is waited for is the code under test
                    await asyncio.sleep(0.05)
            return before.status, (await post(clickstream, event(session_id="s1"), topic=name)).status
        finally:
            running.cancel()
            await clickstream.close()

    assert asyncio.run(whole()) == (503, 200)


@pytest.mark.needs("strict")
def test_positions_are_those_of_a_topic_that_was_made_anew(shop: Shop) -> None:
    name = shop.names.clickstream

    async def whole(clickstream: Clickstream) -> tuple[Taken, Taken]:
        before = await post(clickstream, [event(session_id="s1")] * 3, topic=name)
        await asyncio.to_thread(topic.delete, shop.settings, name)
        await asyncio.to_thread(topics.create, shop.settings, 30)
        after = await _until(200, lambda: post(clickstream, event(session_id="s1"), topic=name))
        return msgspec.json.decode(before.body, type=Taken), msgspec.json.decode(after.body, type=Taken)

    before, after = with_clickstream(shop.settings, whole)

    now = topics.epoch(shop.settings, name, 10)
    assert now != shop.epoch
    assert all(each.position.startswith(f"{shop.epoch}.") for each in before.accepted)
    assert all(each.position.startswith(f"{now}.") for each in after.accepted)
