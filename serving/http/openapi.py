"""openapi.json: what the operations declare of themselves, as OpenAPI 3.1 says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from msgspec import UNSET

from schemas import jsonschema
from serving.http import problems
from serving.http.document import (
    Answer,
    Body,
    Components,
    Described,
    Document,
    Header,
    Info,
    Media,
    Parameter,
    Reference,
    Schema,
)
from serving.http.operations import Operation
from serving.http.problems import Problem

_REF: Final = "#/components/schemas/{name}"
#: Every answer tells its own; of what is sent without it, it is that of today.
_TAG: Final = "schema"
#: What server-sent events are sent as.
STREAM: Final = "text/event-stream"
#: Headers that hold a number; all others are text.
_NUMBERS: Final = frozenset({"Age", "Retry-After"})
_OF_PROBLEMS: Final[dict[int, dict[str, str]]] = {
    401: {"WWW-Authenticate": "What is asked for: the site key."},
    405: {"Allow": "The methods that the address knows."},
    429: {"Retry-After": "Seconds after which the limit allows another request."},
    503: {"Retry-After": "Seconds after which it is worth asking again."},
}


_INFO: Final = Info(
    "nextclick",
    "1",
    "What a shopper is likely to want next, from the clicks of this session. Every answer is UTF-8 JSON unless it says "
    "otherwise; times are epoch milliseconds; what is additive may come at any time, so read what you know and ignore "
    "the rest.",
)
_SECURITY: Final = {
    "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The site's publishable key."},
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Session-Token",
        "description": "Proves which session asks. Without it, or with one that proves nothing, the answer is the same "
        "popular list for everybody.",
    },
    "key_of_stream": {
        "type": "apiKey",
        "in": "query",
        "name": "key",
        "description": "For streams, since a browser's EventSource sends no headers.",
    },
    "token_of_stream": {"type": "apiKey", "in": "query", "name": "token", "description": "Likewise."},
}
#: Parameters of a stream that are told of as what proves who asks.
_PROOFS: Final = frozenset(scheme["name"] for scheme in _SECURITY.values() if scheme["in"] == "query")
_IN_HEADERS: Final[list[dict[str, list[str]]]] = [{"key": [], "token": []}, {"key": []}]
_IN_QUERY: Final[list[dict[str, list[str]]]] = [{"key_of_stream": [], "token_of_stream": []}, {"key_of_stream": []}]


def document(operations: Sequence[Operation[Any]]) -> Document:
    schemas = _Schemas(operations)
    paths: dict[str, dict[str, Described]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, schemas)
    statuses = sorted({status for operation in operations for status in _problems(operation)})
    answers = {_problem(status): _refusal(status, schemas) for status in statuses}
    return Document("3.1.0", _INFO, paths, Components(schemas.components, answers, _SECURITY))


class _Schemas:
    """The schemas of all that the operations name: msgspec makes them in one go, so that no two share a name."""

    def __init__(self, operations: Sequence[Operation[Any]]) -> None:
        parts = [(*each.bodies.values(), *each.answers.values()) for each in operations]
        kinds = [Problem, *(kind for each in parts for kind in each if kind is not None)]
        made, self.components = msgspec.json.schema_components(kinds, schema_hook=jsonschema.special, ref_template=_REF)
        # By identity: not every type of an annotation has a hash.
        self._made = {id(kind): schema for kind, schema in zip(kinds, made, strict=True)}
        for each in operations:
            for kind in each.bodies.values():
                self._untag(self.of(kind))

    def of(self, kind: Any) -> Schema:
        return self._made[id(kind)]

    def _untag(self, schema: Schema) -> None:
        """What is sent may be without it."""
        for name in _named(schema):
            required = self.components[name].get("required", [])
            self.components[name]["required"] = [each for each in required if each != _TAG]


def _described(operation: Operation[Any], schemas: _Schemas) -> Described:
    answers = {str(status): _answer(status, kind, operation, schemas) for status, kind in operation.answers.items()}
    refusals = {str(status): Reference(f"#/components/responses/{_problem(status)}") for status in _problems(operation)}
    content = {media: Media(schemas.of(kind), _example(operation, media)) for media, kind in operation.bodies.items()}
    return Described(
        operation_id=operation.name,
        summary=operation.summary,
        description=operation.description,
        security=_security(operation),
        parameters=[*_parameters(operation), *_heeded(operation)],
        request_body=Body(content, required=True) if content else UNSET,
        responses=dict(sorted((refusals | answers).items())),
    )


def _security(operation: Operation[Any]) -> list[dict[str, list[str]]]:
    if operation.public:
        return []
    return [*_IN_HEADERS, *_IN_QUERY] if operation.is_stream else _IN_HEADERS


def _problems(operation: Operation[Any]) -> list[int]:
    """Statuses of the problems that it may answer with."""
    common = {status for status in problems.COMMON if not (operation.public and status == HTTPStatus.UNAUTHORIZED)}
    of_bodies = {HTTPStatus.UNSUPPORTED_MEDIA_TYPE.value} if operation.bodies else set[int]()
    return sorted(common | of_bodies | {*operation.problems})


def _problem(status: int) -> str:
    return f"Problem{status}"


def _refusal(status: int, schemas: _Schemas) -> Answer:
    content = {_bare(problems.MEDIA_TYPE): Media(schemas.of(Problem))}
    return Answer(problems.TITLES[status], _headers(_OF_PROBLEMS.get(status, {})), content)


def _answer(status: int, kind: Any, operation: Operation[Any], schemas: _Schemas) -> Answer:
    content = {} if kind is None else {_media_type(status, operation): Media(schemas.of(kind))}
    links = {
        name: {"operationId": name, "parameters": dict(where)}
        for name, where in operation.followed_by.items()
        if kind is not None
    }
    return Answer(HTTPStatus(status).phrase, _headers(_OF_PROBLEMS.get(status, operation.bears)), content, links)


def _media_type(status: int, operation: Operation[Any]) -> str:
    if status >= HTTPStatus.BAD_REQUEST:
        return _bare(problems.MEDIA_TYPE)
    return STREAM if operation.is_stream else _bare(operation.media_type)


def _headers(said: Mapping[str, str]) -> dict[str, Header]:
    return {name: Header(text, {"type": "integer" if name in _NUMBERS else "string"}) for name, text in said.items()}


def _parameters(operation: Operation[Any]) -> list[Parameter]:
    taken = msgspec.json.schema(operation.parameters, schema_hook=jsonschema.special)["$defs"][
        operation.parameters.__name__
    ]
    proofs = _PROOFS if operation.is_stream else ()
    given = {name: _given(schema) for name, schema in taken["properties"].items() if name not in proofs}
    return [
        Parameter(
            name=name,
            place="path" if f"{{{name}}}" in operation.path else "query",
            schema={key: value for key, value in schema.items() if key != "description"},
            description=schema.get("description", ""),
            required=name in taken["required"],
            style="form" if schema.get("type") == "array" else "",
            explode=True if schema.get("type") == "array" else UNSET,
        )
        for name, schema in given.items()
    ]


def _given(schema: Schema) -> Schema:
    """Of a parameter: one that may be null is one that may be left out, and none is null when it is there."""
    given = {key: value for key, value in schema.items() if (key, value) != ("default", None)}
    kinds = [kind for kind in given.pop("anyOf", ()) if kind != {"type": "null"}]
    one_of: Schema = kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}
    return given | one_of


def _heeded(operation: Operation[Any]) -> list[Parameter]:
    return [Parameter(name, "header", {"type": "string"}, text) for name, text in operation.heeds.items()]


def _example(operation: Operation[Any], media: str) -> Any:
    return UNSET if operation.example is None or media != next(iter(operation.bodies)) else operation.example


def _named(schema: Schema) -> Iterator[str]:
    """The components that a body is, or is a list of."""
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    for each in schema.get("anyOf", ()):
        yield from _named(each)
    if "items" in schema:
        yield from _named(schema["items"])


def _bare(media_type: str) -> str:
    """Without its charset, as a document names it."""
    return media_type.partition(";")[0]
