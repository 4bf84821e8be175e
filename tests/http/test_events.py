"""Laws of POST /v1/events: what is told is what Kafka has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.click import decode
from schemas.session import Position
from schemas.wire import MAX_BYTES
from serving.http.events import BODY_MAX_BYTES, EVENTS_MAX, NDJSON, Taken, Untaken
from serving.http.problems import Refused
from serving.http.request import Caller
from serving.state.clickstream import Landed
from serving.state.producer import Outgoing
from tests.http.posting import JSON, NOW, TRUSTED, event, post


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
