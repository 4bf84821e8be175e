"""What the tests of POST /v1/events post."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable

from serving.http import events
from serving.http.operations import Nothing
from serving.http.request import Caller, Request
from serving.http.response import Response

JSON = "application/json"
NOW = 1_700_000_000_000
TRUSTED = Caller(trusted=True)


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
