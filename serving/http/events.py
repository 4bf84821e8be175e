"""POST /v1/events: clicks by HTTP, answered once Kafka has them.

Each event is judged for itself and by the one decoder of clicks, so that what is taken here is never a
dead letter there. Whose session it is the token says; a body that is no JSON at all is refused whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol, cast

import msgspec

from schemas import wire
from schemas.click import Click, Posted, decode_posted, encode
from schemas.errors import DataError
from schemas.wire import EpochMs, EventId
from serving.http import beacon, problems
from serving.http.operations import Nothing, Operation
from serving.http.problems import Problem, Refused
from serving.http.request import Caller, Request
from serving.http.response import Response
from serving.state.clickstream import Landed
from serving.state.producer import Outgoing

BODY_MAX_BYTES: Final = 256 * 1024
EVENTS_MAX: Final = 100
NDJSON: Final = "application/x-ndjson"
#: Where the answer to one event has its position, as OpenAPI writes it.
_POSITION_TAKEN: Final = "$response.body#/accepted/0/position"
_JSON: Final = "application/json"
#: Kafka is asked by one request at a time while it is away; sooner there is nothing to hear.
RETRY_AFTER: Final = (("Retry-After", "1"),)

#: The first four are the decoder's own. token: it is for another session or user. consent: there is none, so the event
#: goes nowhere. unavailable: Kafka has not said that it has it; sent again with the same id it counts once.
Reason = Literal["not_json", "too_large", "schema", "invalid", "token", "consent", "unavailable"]


class Accepted(msgspec.Struct, frozen=True):
    """An event that Kafka has. `position` is what `after=` takes."""

    index: int
    event_id: EventId
    position: str


class Declined(msgspec.Struct, frozen=True):
    """An event that was not taken, and the field that it is about, where it is about one."""

    index: int
    field: str
    reason: Reason


class Taken(msgspec.Struct, frozen=True):
    """What became of each event; `index` counts from 0, in the order in which they were sent."""

    accepted: list[Accepted]
    refused: list[Declined]


class Untaken(Problem, frozen=True, kw_only=True, omit_defaults=True):
    """Kafka did not take all of them. What is in `accepted` is there all the same."""

    accepted: list[Accepted]
    refused: list[Declined]


_WHOLE: Final = msgspec.json.Decoder(msgspec.Raw)


class Refusal(NamedTuple):
    field: str
    reason: Reason


class Takes(Protocol):
    """What this file needs of a Clickstream."""

    async def send(self, records: Sequence[Outgoing]) -> list[Landed | None]: ...


def operations(
    clickstream: Takes, topic: str, now: Callable[[], int], counted: Callable[[str], object]
) -> list[Operation[Any]]:
    """`topic` is where clicks go, `now` the time of those that tell none; `counted` is told what became of each."""

    async def answer(_: Nothing, request: Request, caller: Caller) -> Response:
        if not caller.trusted and caller.session_id is None:
            raise Refused(
                403, "session", "events need the token of their session; this one is missing, over, or for another site"
            )
        judged = [judge(event, caller, now()) for event in events_in(request)]
        clicks = {index: each for index, each in enumerate(judged) if isinstance(each, Posted)}
        records = [Outgoing(topic, click.session_id.encode(), encode(click)) for click in clicks.values()]
        landed = await clickstream.send(records) if records else []
        places = dict(zip(clicks, landed, strict=True))
        for index, each in enumerate(judged):
            counted(each.reason if isinstance(each, Refusal) else "accepted" if places[index] else "unavailable")
        return _answered(judged, places)

    return [
        Operation(
            method="POST",
            path="/v1/events",
            summary="Takes what shoppers do: one event, a list, or one a line",
            parameters=Nothing,
            answer=answer,
            answers={200: Taken, 503: Untaken},
            bodies={_JSON: Posted | list[Posted], NDJSON: Posted, beacon.MEDIA_TYPE: beacon.Beacon},
            problems=(403, 413, 415),
            description="Answered once Kafka has them; each that was refused is named with its field and the reason. "
            "The same `event_id` sent twice counts once, so send again whatever got no answer. Whose "
            "session it is the token says.\n\nThe position of an event is what `after` of a poll takes: "
            "the answer is the list that knows it.",
            example={"schema": "nextclick.click/1", "event_id": "e-1", "type": "view", "item_id": "a-1"},
            followed_by={"get_recommendations": {"session_id": "$request.body#/session_id", "after": _POSITION_TAKEN}},
        )
    ]


def events_in(request: Request) -> Sequence[bytes]:
    """The events of a body, each still to be read."""
    body = request.body
    if len(body) > BODY_MAX_BYTES:
        raise Refused(413, "too_large", f"at most {BODY_MAX_BYTES} bytes are taken at once")
    media_type = request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()
    events = beacon.read(request).events if beacon.is_one(request) else _split(body, media_type)
    if len(events) > EVENTS_MAX:
        raise Refused(413, "too_large", f"at most {EVENTS_MAX} events are taken at once")
    return events


def _split(body: bytes, media_type: str) -> Sequence[bytes]:
    try:
        if media_type == NDJSON:
            return [line for line in body.split(b"\n") if line.strip()]
        if media_type == _JSON:
            is_list = body.lstrip().startswith(b"[")
            return msgspec.json.decode(body, type=list[msgspec.Raw]) if is_list else [_WHOLE.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "invalid", "the body is not the JSON that its media type promises") from None
    raise Refused(415, "media_type", f"{_JSON}, {NDJSON} and, from a beacon, {beacon.MEDIA_TYPE} are read here")


def judge(event: bytes, caller: Caller, now: int) -> Posted | Refusal:
    """The click as it goes to Kafka, or why it does not."""
    try:
        posted = decode_posted(event)
    except DataError as error:
        return Refusal(_field(error.detail), cast(Reason, error.reason))
    if not caller.trusted:
        if posted.session_id not in {"", caller.session_id}:
            return Refusal("session_id", "token")
        if posted.user_id not in {None, caller.user_id}:
            return Refusal("user_id", "token")
        posted = msgspec.structs.replace(posted, session_id=caller.session_id, user_id=caller.user_id)
    if not posted.session_id:
        return Refusal("session_id", "invalid")
    if not posted.consent:
        return Refusal("consent", "consent")
    posted = msgspec.structs.replace(posted, ts=posted.ts or EpochMs(now))
    return posted if len(encode(posted)) <= wire.MAX_BYTES else Refusal("", "too_large")


_FIELDS: Final = frozenset({"schema", *Click.__struct_fields__})


def _field(detail: str) -> str:
    """The last field of ours that the decoder names. What else it says may repeat what was sent."""
    named = [name for name in re.findall(r"`(?:\$\.)?([a-z_]+)", detail) if name in _FIELDS]
    return named[-1] if named else ""


def _answered(judged: Sequence[Posted | Refusal], landed: Mapping[int, Landed | None]) -> Response:
    accepted, refused = list[Accepted](), list[Declined]()
    for index, each in enumerate(judged):
        if isinstance(each, Refusal):
            refused.append(Declined(index, *each))
        elif (at := landed[index]) is None:
            refused.append(Declined(index, "", "unavailable"))
        else:
            accepted.append(Accepted(index, each.event_id, str(at.position)))
    if None not in landed.values():
        return Response(200, msgspec.json.encode(Taken(accepted, refused)))
    problem = Refused(503, "unavailable", "Kafka did not take all of the events; send what it did not again").problem
    untaken = Untaken(**msgspec.structs.asdict(problem), accepted=accepted, refused=refused)
    return Response(503, msgspec.json.encode(untaken), problems.MEDIA_TYPE, RETRY_AFTER)
