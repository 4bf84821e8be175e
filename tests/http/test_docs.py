"""Laws of the docs page: it tells all that openapi.json tells, needs nothing but itself, and runs nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import shlex
from html import unescape
from html.parser import HTMLParser
from typing import Any, Final

import pytest

from serving.http import docs, openapi
from serving.http.operations import Answer
from serving.http.page import page
from serving.http.request import Caller, Request
from serving.http.response import Response
from tests.http.window import OPERATIONS

OWN: Final = docs.operations(OPERATIONS)
#: What would make a browser fetch or run something.
_ACTIVE: Final = {"script", "link", "img", "iframe", "object", "embed", "form", "base", "video", "audio", "svg"}


class Read(HTMLParser):
    """The tags of a page, their ids and where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def named(self, attribute: str) -> list[str]:
        return [value for name, value in self.attributes if name == attribute]


def answered(path: str) -> Response:
    operation = next(each for each in OWN if each.path == path)

    async def ask() -> Answer:
        return await operation.answer(operation.parse({}, ""), Request("GET", path), Caller())

    answer = asyncio.run(ask())
    assert isinstance(answer, Response)
    return answer


@pytest.fixture(scope="module")
def text() -> str:
    return answered("/docs").body.decode()


def test_programs_get_the_document_and_people_the_page() -> None:
    document, shown = answered("/openapi.json"), answered("/docs")

    assert document.content_type.startswith("application/json")
    assert json.loads(document.body)["openapi"] == "3.1.0"
    assert shown.content_type == "text/html; charset=utf-8"
    assert shown.body.startswith(b"<!doctype html>")


def test_every_operation_parameter_header_and_type_is_on_the_page(text: str) -> None:
    document = openapi.document([*OPERATIONS, *OWN])

    seen = unescape(text)
    for path, item in document.paths.items():
        assert path in seen
        for told in item.values():
            assert f'id="{told.operation_id}"' in text
            assert all(f"<code>{each.name}</code>" in text for each in told.parameters)
    assert all(f'id="type-{name}"' in text for name in document.components.schemas)
    assert "If-None-Match" in seen
    assert "Retry-After" in seen


def test_every_link_leads_to_a_place_on_the_page(text: str) -> None:
    read = Read(text)

    places = {f"#{each}" for each in read.named("id")}
    assert len(places) == len(read.named("id"))
    assert len(read.named("href")) > 10
    assert set(read.named("href")) <= places


def test_the_page_needs_nothing_but_itself_and_runs_nothing(text: str) -> None:
    read = Read(text)

    assert not _ACTIVE & set(read.tags)
    assert not [name for name, _ in read.attributes if name.startswith("on") or name in {"src", "style"}]
    assert "url(" not in text
    assert "@import" not in text


def test_the_browser_is_told_to_load_nothing_but_the_style_that_is_on_the_page(text: str) -> None:
    policy = dict(answered("/docs").headers)["Content-Security-Policy"]
    [style] = re.findall("<style>(.*?)</style>", text, re.DOTALL)

    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ")[:2] == ["default-src 'none'", f"style-src 'sha256-{hashed}'"]


def test_what_a_description_says_is_text_and_no_markup(text: str) -> None:
    assert "A &lt;session&gt; nobody knows" in text


def test_every_operation_comes_with_a_command_that_a_shell_understands(text: str) -> None:
    commands = [unescape(each) for each in re.findall("<pre>(.*?)</pre>", text, re.DOTALL)]
    curls = [shlex.split(each.replace("\\\n", "")) for each in commands if each.startswith("curl")]

    assert len(curls) == len(OPERATIONS) + len(OWN)
    assert ["curl", "$NEXTCLICK/v1/recommendations/$SESSION_ID", *_PROVEN] in curls
    assert ["curl", "-N", "$NEXTCLICK/v1/recommendations/$SESSION_ID/stream?key=$KEY&token=$TOKEN"] in curls
    assert ["curl", "$NEXTCLICK/docs"] in curls
    posted = next(each for each in curls if "$NEXTCLICK/v1/events" in each)
    assert json.loads(posted[posted.index("-d") + 1]) == {"event_id": "e'1"}
    assert ["curl", "-X", "DELETE", "$NEXTCLICK/v1/sessions/$SESSION_ID", *_PROVEN] in curls


_PROVEN: Final = ["-H", "X-Api-Key: $KEY", "-H", "X-Session-Token: $TOKEN"]


def test_what_is_taken_unless_given_is_told_as_json_has_it(text: str) -> None:
    told = set(re.findall("<code>([^<]*)</code> unless given", text))

    assert told >= {"true", "30", "default"}
    assert not told & {"True", "False", "None", "()", "[]", "{}"}


def test_a_page_without_any_operation_is_still_a_page() -> None:
    none: list[Any] = []

    assert page(openapi.document(none)).endswith("</html>\n")


def test_no_pattern_looks_ahead_which_go_and_rust_cannot() -> None:
    document = answered("/openapi.json").body

    assert b'"pattern":' in document
    assert b"(?" not in document
