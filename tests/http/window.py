"""A small API that has one of everything that an operation may declare; nobody answers it."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from schemas.click import Click
from schemas.recommendation import Recommendation
from schemas.wire import ItemId, SessionId
from serving.http.operations import Operation
from serving.http.request import Caller, Request
from serving.http.response import Response


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    session_id: Annotated[SessionId, Meta(description="Whose list.")]
    limit: Annotated[int, Meta(ge=1, le=30, description="How many items at most.")] = 30
    exclude: Annotated[tuple[ItemId, ...], Meta(max_length=60, description="Item ids.")] = ()
    market: Annotated[str, Meta(max_length=64)] | None = None


class Near(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    item_id: ItemId


class Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Taken(msgspec.Struct, frozen=True):
    index: int
    event_id: str
    position: str


async def _nobody(_: Any, request: Request, caller: Caller) -> Response:
    return Response(503)


_LIST: Final = "/v1/recommendations/{session_id}"

OPERATIONS: Final[list[Operation[Any]]] = [
    Operation(
        "GET",
        _LIST,
        "The list of a session",
        Asked,
        _nobody,
        answers={200: Recommendation, 304: None},
        description="What is stored, as it is stored.\n\nA <session> nobody knows gets what is popular.",
        heeds={"If-None-Match": "The ETag of the answer that you have: 304 if it is still this one."},
        bears={"ETag": "Changes with every byte of the answer.", "Age": "Seconds since the list was made."},
    ),
    Operation(
        "GET",
        f"{_LIST}/stream",
        "The lists of a session, as they come",
        Asked,
        _nobody,
        {200: str},
        is_stream=True,
    ),
    Operation("GET", "/v1/items/{item_id}/similar", "What is like an item", Near, _nobody, {200: list[Recommendation]}),
    Operation(
        "POST",
        "/v1/events",
        "Clicks",
        Sent,
        _nobody,
        answers={200: list[Taken]},
        bodies={"application/json": Click | list[Click], "application/x-ndjson": str},
        example={"event_id": "e'1"},
        followed_by={"get_recommendations": {"session_id": "$request.body#/session_id"}},
    ),
    Operation("DELETE", "/v1/sessions/{session_id}", "Forget a session", Asked, _nobody, {204: None}, problems=(403,)),
]
