"""GET /openapi.json, and GET /docs, which is the same as a page: both are made once, at the start."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from schemas import jsonschema
from serving.http import openapi
from serving.http.operations import Nothing, Operation
from serving.http.page import page
from serving.http.request import Caller, Request
from serving.http.response import JSON, Response
from serving.http.style import STYLE

HTML: Final = "text/html; charset=utf-8"
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
#: Whatever a description may come to hold, the browser fetches nothing and runs nothing.
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def operations(others: Sequence[Operation[Any]]) -> list[Operation[Any]]:
    """The two that tell of all the others, and of themselves."""
    answers: dict[str, Response] = {}

    async def answer(_: Nothing, request: Request, caller: Caller) -> Response:
        return answers[request.path]

    described = Operation(
        "GET", "/openapi.json", "This API, for programs", Nothing, answer, {200: dict[str, Any]}, public=True
    )
    shown = Operation("GET", "/docs", "This API, for people", Nothing, answer, {200: str}, public=True, media_type=HTML)
    document = openapi.document([*others, described, shown])
    answers[described.path] = Response(200, jsonschema.portable(msgspec.json.encode(document)), JSON)
    answers[shown.path] = Response(200, page(document).encode(), HTML, (("Content-Security-Policy", _POLICY),))
    return [described, shown]
