"""Laws of POST /v1/events: what is told is what Kafka has."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.click import decode
from schemas.session import Position
from schemas.settings import Settings
from schemas.topics import Topics
from schemas.wire import MAX_BYTES
from serving.http import events
from serving.http.events import BODY_MAX_BYTES, EVENTS_MAX, NDJSON, Taken, Untaken
from serving.http.operations import Nothing
from serving.http.problems import Refused
from serving.http.request import Caller, Request
from serving.http.response import Response
from serving.state import topics
from serving.state.clickstream import Clickstream, Landed
from serving.state.producer import Outgoing
from tests.kit import topic
from tests.kit.rungs import Kafka
from tests.kit.shop import Shop

T = TypeVar("T")
JSON = "application/json"
NOW = 1_700_000_000_000
TRUSTED = Caller(trusted=True)


class Memory:
    """A clickstream on paper, which may be away."""

    def __init__(self, *, away: bool = False) -> None:
        self.taken: list[Outgoing] = []
        self.away = away

    async def send(self, records: Sequence[Outgoing]) -> list[Landed | None]:
        if self.away:
            return [None] * len(records)
        self.taken += records
        first = len(self.taken) - len(records)
        return [Landed(Position("0badcafe", 0, first + at), NOW) for at in range(len(records))]


def event(**changes: object) -> dict[str, object]:
    return {"event_id": secrets.token_hex(8), "type": "view", "item_id": "lamp"} | changes


async def post(
    clickstream: events.Takes,
    body: object,
    caller: Caller = TRUSTED,
    media_type: str = JSON,
    topic: str = "clicks",
    now: int = NOW,
    counted: Callable[[str], object] = str,
) -> Response:
    """`body` as it is where it is bytes, else as JSON."""
    (operation,) = events.operations(clickstream, topic, lambda: now, counted)
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request("POST", "/v1/events", "", {"content-type": media_type}, sent)
    answer = await operation.answer(Nothing(), request, caller)
    assert isinstance(answer, Response)
    return answer


def answered(body: object, caller: Caller = TRUSTED, media_type: str = JSON) -> tuple[Taken, list[Outgoing]]:
    """What is told of it, and what went to Kafka."""
    memory = Memory()
    answer = asyncio.run(post(memory, body, caller, media_type))
    assert answer.status == 200
    return msgspec.json.decode(answer.body, type=Taken), memory.taken


def refused(body: object, caller: Caller = TRUSTED, media_type: str = JSON) -> list[tuple[int, str, str]]:
    """Index, field and reason of each event that was not taken; it did not reach Kafka either."""
    told, taken = answered(body, caller, media_type)
    assert len(taken) == len(told.accepted)
    return [(each.index, each.field, each.reason) for each in told.refused]


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


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (event(event_id="a"), JSON),
        ([event(event_id="a")], JSON),
        (b"\n" + json.dumps(event(event_id="a")).encode() + b"\r\n\n", f"{NDJSON}; charset=utf-8"),
        ({"key": "k", "token": "t", "events": [event(event_id="a")]}, "text/plain;charset=UTF-8"),
    ],
    ids=["one", "a list", "lines", "a beacon"],
)
def test_events_come_in_each_form(body: object, media_type: str) -> None:
    told, taken = answered(body, Caller(session_id="s1"), media_type)

    assert [(each.index, each.event_id) for each in told.accepted] == [(0, "a")]
    assert [record.key for record in taken] == [b"s1"]


def test_without_security_a_beacon_needs_neither_key_nor_token() -> None:
    told, _ = answered({"events": [event(event_id="a", session_id="s1")]}, TRUSTED, "text/plain")

    assert [each.event_id for each in told.accepted] == ["a"]


@pytest.mark.parametrize(
    ("body", "field"),
    [({"key": "k", "token": "t"}, "events"), ({"events": event()}, "events"), ({"key": 1, "events": []}, "key"),
     ([event()], ""), (b"{", "")],
)  # fmt: skip
def test_what_is_wrong_with_a_beacon_is_named(body: object, field: str) -> None:
    with pytest.raises(Refused, match="key, token and events") as refusal:
        asyncio.run(post(Memory(), body, TRUSTED, "text/plain"))

    assert (refusal.value.status, refusal.value.field) == (400, field)


def test_an_event_gets_its_session_and_user_from_the_token_and_its_time_from_the_server() -> None:
    _, (record,) = answered(event(), Caller(session_id="s1", user_id="u1"))

    click = decode(record.value or b"")
    assert (click.session_id, click.user_id, click.ts) == ("s1", "u1", NOW)


def test_an_event_may_name_the_session_and_user_of_its_token_and_no_other() -> None:
    caller = Caller(session_id="s1", user_id="u1")
    ours, theirs = event(session_id="s1", user_id="u1"), event(session_id="s2", user_id="u1")

    assert refused([ours, theirs, event(user_id="u2")], caller) == [(1, "session_id", "token"), (2, "user_id", "token")]
    assert refused(event(user_id="u1"), Caller(session_id="s1")) == [(0, "user_id", "token")], "it proves no user"


def test_without_security_an_event_names_its_own_session() -> None:
    assert refused([event(session_id="s1", user_id="u1"), event()]) == [(1, "session_id", "invalid")]


def test_who_has_no_token_is_refused_whatever_the_events() -> None:
    with pytest.raises(Refused) as refusal:
        asyncio.run(post(Memory(), event(session_id="s1"), Caller(key="site")))

    assert refusal.value.status == 403


def test_an_event_without_consent_goes_nowhere() -> None:
    assert refused(event(consent=False, session_id="s1")) == [(0, "consent", "consent")]


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"event_id": None}, "event_id", "invalid"),
        ({"event_id": "x" * 65}, "event_id", "invalid"),
        ({"type": "secret`$.ts`"}, "type", "invalid"),
        ({"item_id": None}, "item_id", "invalid"),
        ({"items": ["lamp"]}, "items", "invalid"),
        ({"ts": "secret"}, "ts", "invalid"),
        ({"ts": "2026-11-27T12:00:00"}, "ts", "invalid"),
        ({"attrs": {"secret": ["secret"]}}, "attrs", "invalid"),
        ({"attrs": {"": 1}}, "attrs", "invalid"),
        ({"session_id": "secret secret"}, "session_id", "invalid"),
        ({"schema": "secret/2"}, "schema", "schema"),
        ({"attrs": {f"{n}": "x" * 256 * 9 for n in range(32)}}, "", "too_large"),
    ],
)
def test_a_refusal_names_the_field_and_repeats_nothing(changes: dict[str, object], field: str, reason: str) -> None:
    memory = Memory()
    answer = asyncio.run(post(memory, [event(**({"session_id": "s1"} | changes))]))

    told = msgspec.json.decode(answer.body, type=Taken)
    assert [(each.index, each.field, each.reason) for each in told.refused] == [(0, field, reason)]
    assert b"secret" not in answer.body
    assert memory.taken == []


@pytest.mark.parametrize(("away", "fate"), [(False, "accepted"), (True, "unavailable")])
def test_what_became_of_each_event_is_counted(away: bool, fate: str) -> None:
    outcomes: list[str] = []
    sent = [event(session_id="s"), event(session_id="s", type="stare"), event(session_id="s", consent=False)]

    asyncio.run(post(Memory(away=away), sent, counted=outcomes.append))

    assert outcomes == [fate, "invalid", "consent"]


def test_a_broken_line_leaves_the_others_alone() -> None:
    whole = json.dumps(event(session_id="s1")).encode()

    assert refused(b"\n".join([whole, b'{"event_id": ', whole]), media_type=NDJSON) == [(1, "", "not_json")]


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"secret", JSON, 400),
        (b"", JSON, 400),
        (b"[" * 100_000, JSON, 400),
        (b"[]", "text/plain", 400),
        (b"{}", "application/xml", 415),
        (b" " * (BODY_MAX_BYTES + 1), JSON, 413),
        (b"[" + b"0," * EVENTS_MAX + b"0]", JSON, 413),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_whole(body: bytes, media_type: str, status: int) -> None:
    with pytest.raises(Refused) as refusal:
        asyncio.run(post(Memory(), body, media_type=media_type))

    assert refusal.value.status == status
    assert b"secret" not in refusal.value.response().body


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_FIELDS = st.fixed_dictionaries(
    {"event_id": st.text(max_size=4) | _VALUES, "type": st.sampled_from(["view", "impression"]) | _VALUES},
    optional={
        name: st.just("s1") | _VALUES
        for name in ("session_id", "item_id", "items", "ts", "user_id", "consent", "attrs", "schema")
    },
)


@given(
    body=st.binary(max_size=64) | st.lists(_FIELDS, max_size=4) | _FIELDS | _VALUES,
    media_type=st.sampled_from([JSON, NDJSON, "text/plain"]),
    caller=st.sampled_from([TRUSTED, Caller(session_id="s1", user_id="u1")]),
)
def test_whatever_is_sent_each_event_is_accepted_or_refused_or_the_body_is(
    body: Any, media_type: str, caller: Caller
) -> None:
    memory = Memory()
    try:
        answer = asyncio.run(post(memory, body, caller, media_type))
    except Refused as refusal:
        answer = refusal.response()
    if answer.status != 200:
        assert 400 <= answer.status < 500
        assert memory.taken == []
        return

    told = msgspec.json.decode(answer.body, type=Taken)
    indices = [each.index for each in told.accepted] + [each.index for each in told.refused]
    assert sorted(indices) == list(range(len(indices)))
    assert len(memory.taken) == len(told.accepted)
    for record in memory.taken:
        assert decode(record.value or b"").session_id.encode() == record.key


def test_what_the_token_adds_makes_no_dead_letter_of_what_just_fits() -> None:
    # given an event of a hundred bytes less than one may have
    attrs = {f"{n:02}" + "\x01" * 62: "\x01" * 256 for n in range(32)}
    small = event(event_id="e", type="impression", item_id="i", attrs=attrs, placement="p" * 128, user_id="u" * 128)
    room = MAX_BYTES - 100 - len(msgspec.json.encode(small | {"items": [], "market": ""})) + len(",")
    count, rest = divmod(room, len('"",') + 120)
    sent = msgspec.json.encode(small | {"items": ["i" * 120] * count, "market": "m" * rest})
    assert len(sent) == MAX_BYTES - 100

    # when it gets a session with a short name, and one with a long one
    told, _ = answered(sent, Caller(session_id="s", user_id="u" * 128))

    assert [each.index for each in told.accepted] == [0]
    assert refused(sent, Caller(session_id="s" * 128, user_id="u" * 128)) == [(0, "", "too_large")]


def test_kafka_away_is_told_with_both_lists() -> None:
    answer = asyncio.run(post(Memory(away=True), [event(session_id="s1"), 5]))

    told = msgspec.json.decode(answer.body, type=Untaken)
    assert (answer.status, told.status, told.type) == (503, 503, "urn:nextclick:unavailable")
    assert ("Retry-After", "1") in answer.headers
    assert answer.content_type.startswith("application/problem+json")
    assert told.accepted == []
    assert [(each.index, each.reason) for each in told.refused] == [(0, "unavailable"), (1, "invalid")]


def test_refusals_are_told_while_kafka_is_away() -> None:
    assert asyncio.run(post(Memory(away=True), [5])).status == 200


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
