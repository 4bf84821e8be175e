"""Laws of openapi.json: valid, complete, and of one mind with what the operations declare."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import schemathesis
from jsonschema_rs import Draft202012Validator

from serving.http import docs, openapi, problems
from serving.http.operations import Operation
from tests.http.window import OPERATIONS

ALL: Final = [*OPERATIONS, *docs.operations(OPERATIONS)]


def written(operations: list[Operation[Any]]) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(openapi.document(operations)))
    return document


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return written(ALL)


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(document).validate()


def test_every_schema_in_it_is_a_json_schema(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        Draft202012Validator({**schema, "components": document["components"]})


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = list(references(document))

    assert len(found) > 20
    for path in found:
        place: Any = document
        for part in path.removeprefix("#/").split("/"):
            place = place[part]


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        here = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return here + [each for value in part.values() for each in references(value)]
    return [each for value in part for each in references(value)] if isinstance(part, list) else []


def test_every_operation_is_told_under_a_name_of_its_own(document: dict[str, Any]) -> None:
    told = [each["operationId"] for item in document["paths"].values() for each in item.values()]

    assert told == [each.name for each in ALL]
    assert len(set(told)) == len(told)


def test_parameters_are_told_where_they_are_taken_from(document: dict[str, Any]) -> None:
    told = document["paths"]["/v1/recommendations/{session_id}"]["get"]["parameters"]

    assert [(each["name"], each["in"], each.get("required", False)) for each in told] == [
        ("session_id", "path", True),
        ("limit", "query", False),
        ("exclude", "query", False),
        ("market", "query", False),
        ("If-None-Match", "header", False),
    ]
    assert told[1]["schema"] == {"type": "integer", "minimum": 1, "maximum": 30, "default": 30}
    assert told[3]["schema"] == {"type": "string", "maxLength": 64}  # left out, never null


def test_a_list_in_a_query_is_told_as_what_is_given_again_and_again(document: dict[str, Any]) -> None:
    exclude = document["paths"]["/v1/recommendations/{session_id}"]["get"]["parameters"][2]

    assert (exclude["style"], exclude["explode"]) == ("form", True)
    assert (exclude["schema"]["type"], exclude["schema"]["maxItems"]) == ("array", 60)


def test_parameters_are_no_types_of_their_own(document: dict[str, Any]) -> None:
    assert not {"Asked", "Near", "Sent", "Nothing"} & set(document["components"]["schemas"])


def test_the_schema_of_a_body_may_be_left_out_and_every_answer_tells_its_own(document: dict[str, Any]) -> None:
    types = document["components"]["schemas"]

    assert types["Click"]["required"] == ["event_id", "session_id", "type", "ts"]
    assert types["Recommendation"]["required"][0] == "schema"


def test_what_is_not_changed_is_told_without_a_body(document: dict[str, Any]) -> None:
    unchanged = document["paths"]["/v1/recommendations/{session_id}"]["get"]["responses"]["304"]

    assert "content" not in unchanged
    assert set(unchanged["headers"]) == {"ETag", "Age"}


def test_every_operation_tells_every_problem_that_it_may_answer_with(document: dict[str, Any]) -> None:
    events = document["paths"]["/v1/events"]["post"]["responses"]
    erase = document["paths"]["/v1/sessions/{session_id}"]["delete"]["responses"]
    page = document["paths"]["/docs"]["get"]["responses"]

    common = {"400", "401", "404", "405", "408", "413", "414", "429", "431", "503"}
    assert set(events) == common | {"200", "415"}
    assert set(erase) == common | {"204", "403"}
    assert set(page) == common - {"401"} | {"200"}


def test_every_code_that_a_request_is_refused_with_is_told(document: dict[str, Any]) -> None:
    sources = "".join(path.read_text("utf-8") for path in Path(problems.__file__).parent.glob("*.py"))
    raised = set(re.findall(r'Refused\(\s*\d+,\s*"(\w+)"', sources))

    assert len(raised) > 10
    told = document["components"]["schemas"]["Problem"]["properties"]["type"]["description"]
    assert raised == set(re.findall(r"\w+(?=[,;])", told))


def test_a_stream_may_be_asked_for_with_key_and_token_in_its_address(document: dict[str, Any]) -> None:
    stream = document["paths"]["/v1/recommendations/{session_id}/stream"]["get"]
    plain = document["paths"]["/v1/recommendations/{session_id}"]["get"]

    assert {"key_of_stream": [], "token_of_stream": []} in stream["security"]
    assert plain["security"] == [{"key": [], "token": []}, {"key": []}]
    assert "text/event-stream" in stream["responses"]["200"]["content"]


def test_what_is_public_asks_for_no_key(document: dict[str, Any]) -> None:
    assert document["paths"]["/docs"]["get"]["security"] == []


def test_what_follows_is_linked(document: dict[str, Any]) -> None:
    links = document["paths"]["/v1/events"]["post"]["responses"]["200"]["links"]

    assert links["get_recommendations"] == {
        "operationId": "get_recommendations",
        "parameters": {"session_id": "$request.body#/session_id"},
    }


def test_types_of_one_name_stay_apart() -> None:
    first, second = (msgspec.defstruct("Twin", [(name, int)], module=name) for name in ("a", "b"))
    twins = [
        Operation(each.method, each.path, each.summary, each.parameters, each.answer, {200: twin})
        for each, twin in zip(OPERATIONS[2:4], (first, second), strict=True)
    ]

    assert len([name for name in written(twins)["components"]["schemas"] if name.endswith("Twin")]) == 2
