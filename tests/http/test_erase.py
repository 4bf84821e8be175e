"""Laws of DELETE: what was erased by HTTP is gone at once, and nothing brings it back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import pytest

from schemas import keys
from schemas.click import EraseUser, read
from schemas.errors import KafkaError
from schemas.profile import Trace
from schemas.session import Outcome, Position, Record
from schemas.settings import RedisUrl
from serving.http import erase
from serving.http.erase import Session, User
from serving.http.problems import Refused
from serving.http.request import Caller, Request
from serving.http.response import Response
from serving.state.clickstream import Clickstream
from serving.state.erasure import Erases, Erasure
from serving.state.pipeline import Call
from serving.state.profiles import Traces
from serving.state.redis import RedisSessionStore
from serving.state.sessions import Work
from tests.kit import topic
from tests.kit.rungs import Kafka
from tests.kit.shop import Shop

T = TypeVar("T")
#: Where nobody listens.
NOWHERE = RedisUrl("redis://127.0.0.1:1/0")
TRUSTED = Caller(trusted=True)


class Paper:
    """An erasure that notes whom it was asked for."""

    def __init__(self, *, fails: bool = False) -> None:
        self.asked: list[str] = []
        self.fails = fails

    async def session(self, session_id: str) -> bool:
        if self.fails:
            raise KafkaError("secret")
        self.asked.append(session_id)
        return True

    user = session


def delete(
    erasure: Erases, parameters: Session | User, caller: Caller = TRUSTED, forget: Callable[[str], object] = str
) -> int:
    return asyncio.run(_delete(erasure, parameters, caller, forget))


async def _delete(
    erasure: Erases, parameters: Session | User, caller: Caller = TRUSTED, forget: Callable[[str], object] = str
) -> int:
    operation = next(each for each in erase.operations(erasure, forget) if each.parameters is type(parameters))
    answer = await operation.answer(parameters, Request("DELETE", "/"), caller)
    assert isinstance(answer, Response)
    assert answer.body == b""
    return answer.status


def with_erasure(shop: Shop, body: Callable[[Erasure, RedisSessionStore], Awaitable[T]], url: RedisUrl) -> T:
    async def whole() -> T:
        clickstream, store = Clickstream.of(shop.settings), RedisSessionStore(url)
        await clickstream.open()
        try:
            return await body(Erasure(clickstream, store), store)
        finally:
            await store.close()
            await clickstream.close()

    return asyncio.run(whole())


@pytest.mark.parametrize(
    ("parameters", "caller"),
    [
        (Session("s1"), Caller(session_id="s1")),
        (Session("s1"), TRUSTED),
        (User("u1"), Caller(session_id="s1", user_id="u1")),
        (User("u1"), TRUSTED),
    ],
)
def test_who_holds_the_token_erases(parameters: Session | User, caller: Caller) -> None:
    paper = Paper()

    assert delete(paper, parameters, caller) == 204
    assert paper.asked == [parameters.session_id if isinstance(parameters, Session) else parameters.user_id]


@pytest.mark.parametrize("caller", [Caller(key="site"), Caller(session_id="s2", user_id="u2")])
def test_who_does_not_is_told_the_same_for_every_id(caller: Caller) -> None:
    paper, told = Paper(), set()
    for parameters in (Session("s1"), Session("s3"), User("u1"), User("s1")):
        with pytest.raises(Refused) as refusal:
            delete(paper, parameters, caller)
        told.add((type(parameters), refusal.value.response().body))
        assert refusal.value.status == 403

    assert len(told) == 2
    assert paper.asked == []


@pytest.mark.parametrize("fails", [False, True])
def test_a_process_that_is_asked_to_erase_drops_what_it_kept_itself(fails: bool) -> None:
    forgotten: list[str] = []
    with suppress(Refused):
        delete(Paper(fails=fails), Session("s"), forget=forgotten.append)
    assert forgotten == ["s"]


def test_an_order_that_kafka_does_not_take_is_not_passed_off_as_done() -> None:
    with pytest.raises(Refused) as refusal:
        delete(Paper(fails=True), Session("s1"))

    answer = refusal.value.response()
    assert answer.status == 503
    assert ("Retry-After", "1") in answer.headers
    assert b"secret" not in answer.body


def test_an_erased_session_is_gone_when_the_answer_comes_and_its_clicks_do_not_bring_it_back(
    shop: Shop, sid: str
) -> None:
    # given clicks, two of which have been folded
    clicks = shop.clicks(4, 1, session_id=sid)
    places = topic.produce_clicks(shop.settings.kafka, shop.names.clickstream, clicks)
    records = [
        Record(click, int(click.ts), Position(shop.epoch, place.partition, place.offset))
        for click, place in zip(clicks, places, strict=True)
    ]

    async def whole(erasure: Erasure, store: RedisSessionStore) -> tuple[int, bool, tuple[Outcome, ...], bool]:
        await store.fold([Work(sid, records[:2])])
        # when
        status = await _delete(erasure, Session(sid), Caller(session_id=sid))
        gone = (await store.read(sid)).session is None
        # and a worker comes to the others, and once more to all
        (folded,) = await store.fold([Work(sid, [*records[2:], *records])])
        return status, gone, folded.outcomes, (await store.read(sid)).session is None

    # then
    assert with_erasure(shop, whole, shop.settings.redis) == (204, True, (Outcome.FORGOTTEN,) * 6, True)
    (null,) = topic.read_all(shop.settings.kafka, shop.names.recommendations)
    assert (null.key, null.value) == (sid.encode(), None)


def test_what_the_endpoint_erased_is_what_the_worker_makes_of_the_topic(shop: Shop, sid: str) -> None:
    # given a session that a worker knows
    worker = shop.worker()
    worker.await_assigned()
    clicks = shop.clicks(3, 1, session_id=sid)
    shop.send(clicks)
    topic.eventually(lambda: shop.folded(clicks) == 3 and shop.stored(sid) is not None, "the clicks are answered")

    # when it is erased, and its shopper returns
    status = with_erasure(shop, lambda erasure, _: _delete(erasure, Session(sid)), shop.settings.redis)
    shop.send(clicks)  # made before it was erased, come after it
    back = shop.clicks(1, 1, session_id=sid)
    shop.send(back)

    # then it is what one thread makes of the topic: the new click alone
    assert status == 204
    topic.eventually(lambda: shop.folded(back) == 1, "the new click is folded")
    assert shop.sessions_that_differ() == []
    assert worker.stop() == 0


def test_an_erased_user_is_gone_when_the_answer_comes(shop: Shop, sid: str) -> None:
    shop.settings = replace(shop.settings, profiles="on")
    user = f"u {sid}"
    (click,) = shop.clicks(1, 1, session_id=sid, user_id=user)
    (place,) = topic.produce_clicks(shop.settings.kafka, shop.names.clickstream, [click])
    trace = Trace(click, int(click.ts), Position(shop.epoch, place.partition, place.offset))

    async def whole(erasure: Erasure, store: RedisSessionStore) -> tuple[int, bool, tuple[Outcome, ...]]:
        await store.remember([Traces(user, [trace])])
        status = await _delete(erasure, User(user), Caller(session_id=sid, user_id=user))
        (profile,) = await store.profiles([user])
        (remembered,) = await store.remember([Traces(user, [trace])])
        return status, profile.actions() == () and profile.erased is not None, remembered.outcomes

    assert with_erasure(shop, whole, shop.settings.redis) == (204, True, (Outcome.STALE,))
    orders = [raw for raw in topic.read_all(shop.settings.kafka, shop.names.clickstream) if raw.value is None]
    assert [read(raw.key, raw.value, raw.headers) for raw in orders] == [EraseUser(user)]


def test_without_redis_the_workers_erase_later(shop: Shop, sid: str) -> None:
    # given a session in Redis, which the endpoint does not reach
    worker = shop.worker()
    worker.await_assigned()
    clicks = shop.clicks(2, 1, session_id=sid)
    shop.send(clicks)
    topic.eventually(lambda: shop.folded(clicks) == 2, "the clicks are folded")

    # when
    status = with_erasure(shop, lambda erasure, _: _delete(erasure, Session(sid)), NOWHERE)

    # then
    assert status == 202
    topic.eventually(lambda: shop.folded(clicks) == 0, "the worker has erased it")
    assert shop.ask([Call(("EXISTS", keys.erased(sid)))]) == [1]
    assert worker.stop() == 0


@pytest.mark.needs("ours")
def test_without_kafka_nothing_is_erased(kafka: Kafka, shop: Shop, sid: str) -> None:
    assert kafka.server is not None
    server = kafka.server

    async def whole(erasure: Erasure, store: RedisSessionStore) -> None:
        server.pause()
        try:
            async with asyncio.timeout(20):
                with pytest.raises(Refused, match="unavailable"):
                    await _delete(erasure, Session(sid))
            assert (await store.read(sid)).erased is None
        finally:
            server.resume()

    with_erasure(shop, whole, shop.settings.redis)
