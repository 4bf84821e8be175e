"""An operation of the API: declared once, and from that parsed, routed, documented and checked.

Its parameters are one msgspec struct: those that the path names come from the path, the rest from the
query. What a field's Meta says is what a request is refused for and what openapi.json tells. A field that is a tuple
may be given again and again, and have commas between its values; one inside a value is written %2C.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Final, Generic, Literal, TypeVar, get_args, get_origin
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Meta

from schemas import wire
from schemas.wire import ItemId
from serving.http.problems import Refused
from serving.http.request import Caller, Request
from serving.http.response import JSON, Response, Stream

P = TypeVar("P", bound=msgspec.Struct)

Answer = Response | Stream

#: Of what a path or a query may have in it, more than any of ours needs.
_PARAMETERS_MAX: Final = 128
_NAMED: Final = re.compile(r"\{(\w+)\}")
_VERSION: Final = re.compile(r"^/v\d+/")
#: Where msgspec says what is wrong: "... - at `$.limit`".
_AT: Final = re.compile(r" - at `\$\.?([^`]*)`$")
#: And of which member: "Object contains unknown field `limti`".
_MEMBER: Final = re.compile(r"^Object (contains unknown|missing required) field `([^`]*)`")
#: "Expected `int` <= 30", "Expected `array` of length >= 1", "Expected `str | null`, got `int`".
_EXPECTED: Final = re.compile(r"^Expected `([a-z| ]+)`(?: of length)?(?:,| (?:(<=|>=) ([0-9.]+))?|$)")
_KINDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
_UNITS: Final = {"str": " characters", "array": " values", "object": " members"}
_NO_WORDS: Final[Mapping[str, Sequence[str]]] = {}
_BOUNDS: Final = {"<=": " of at most ", ">=": " of at least "}
_IT_IS: Final = {
    "contains unknown": "there is no such member; /docs tells which there are",
    "missing required": "it is missing",
}


#: A parameter of what answers with a list.
Excluded = Annotated[
    tuple[ItemId, ...],
    Meta(
        max_length=60,
        description="Items that are not to be in it: one each time it is given, or several with commas between them; a "
        "comma within an id is written %2C.",
    ),
]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[P]):
    method: str
    #: Such as /v1/recommendations/{session_id}.
    path: str
    summary: str
    parameters: type[P]
    answer: Callable[[P, Request, Caller], Coroutine[Any, Any, Answer]]
    #: What each status carries: the type of its JSON body, or None for none. Problems are told of by themselves.
    answers: Mapping[int, Any] = field(default_factory=dict)
    #: Media type -> type of the body, where one is taken.
    bodies: Mapping[str, Any] = field(default_factory=dict)
    #: Statuses of problems that it may answer with, beside those that every operation may.
    problems: tuple[int, ...] = ()
    #: Answered to whoever asks, without a key.
    public: bool = False
    #: Answered by server-sent events; whoever asks has no headers of its own to prove itself with.
    is_stream: bool = False
    #: Begun while the request is being counted: before its first wait it asks Redis at most, and does no work.
    asks_at_once: bool = False
    #: What its answers are, problems aside.
    media_type: str = JSON
    #: For the docs: what the summary leaves open.
    description: str = ""
    #: Headers of a request that it heeds, and headers that its answers bear: name -> what it says.
    heeds: Mapping[str, str] = field(default_factory=dict)
    bears: Mapping[str, str] = field(default_factory=dict)
    #: A body as the docs show it.
    example: Any = None
    #: Name of an operation that often follows -> its parameters, and where in this one's request or answer each is,
    #: such as `$response.body#/accepted/0/position`.
    followed_by: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Such as get_recommendations_stream: what clients that are generated from openapi.json call it."""
        words = re.findall(r"[a-z]+", _NAMED.sub("", _VERSION.sub("", self.path)))
        return "_".join([self.method.lower(), *words])

    @property
    def pattern(self) -> re.Pattern[str]:
        """What a path must look like to be this one's; groups are named like its parameters."""
        return re.compile(_NAMED.sub(r"(?P<\1>[^/]+)", self.path))

    def parse(self, named: Mapping[str, str], query: str) -> P:
        """The parameters, or Refused with the name of the first that is wrong; never with one that is not ours."""
        known, lists = self.parameters.__struct_encode_fields__, _lists(self.parameters)
        given: dict[str, str] = {name: _decoded(name, value) for name, value in named.items()}
        several: dict[str, list[str]] = {}
        for name, value in _pairs(query):
            if name not in known:
                ours = [each for each in known if each not in named]
                raise Refused(400, "invalid", f"there is no such parameter, only: {', '.join(ours) or 'none'}")
            if name in given:
                raise Refused(400, "invalid", "it is given twice, or is part of the path", name)
            plain = value.replace("+", " ")
            if name in lists:
                several.setdefault(name, []).extend(_several(name, plain))
            else:
                given[name] = _decoded(name, plain)
        try:
            return msgspec.convert(given | several, self.parameters, strict=False, dec_hook=wire.read_special)
        except msgspec.ValidationError as error:
            raise invalid(error, _words(self.parameters)) from None


def invalid(error: msgspec.ValidationError, words: Mapping[str, Sequence[str]] = _NO_WORDS) -> Refused:
    """What msgspec found, as the client is told: the field, and what it must be; of some fields the words there are."""
    said = str(error)
    at = _AT.search(said)
    place = at.group(1) if at else ""
    if member := _MEMBER.match(said):
        said, place = _IT_IS[member.group(1)], f"{place}.{member.group(2)}".lstrip(".")
    elif said.startswith("Invalid enum value"):  # what msgspec says of it repeats it
        there = words.get(place.partition("[")[0], ())
        said = f"it is none of those that there are{': ' if there else ''}{', '.join(there)}"
    elif "matching regex" in said:  # which nobody reads
        said = "it is not written as it must be; /docs tells how"
    elif expected := _EXPECTED.match(said):
        said = _must_be(*expected.groups())
    return Refused(400, "invalid", _AT.sub("", said), _shown(place))


def _must_be(kinds: str, bound: str | None, number: str | None) -> str:
    """Such as: it must be a whole number of at most 30."""
    kind = " or ".join(_KINDS.get(each, each) for each in kinds.split(" | "))
    unit = _UNITS.get(kinds, "")
    return f"it must be {kind}{_BOUNDS[bound]}{number}{unit}" if bound else f"it must be {kind}"


def _pairs(query: str) -> list[tuple[str, str]]:
    parts = query.split("&") if query else []
    if len(parts) > _PARAMETERS_MAX:
        raise Refused(400, "invalid", f"at most {_PARAMETERS_MAX} parameters are taken")
    return [(name, value) for name, _, value in (part.partition("=") for part in parts)]


@cache
def _lists(parameters: type[msgspec.Struct]) -> Mapping[str, Any]:
    """Those that may have several values, and what each value is."""
    kinds = {each.encode_name: each.type for each in msgspec.structs.fields(parameters)}
    bare = {name: kind.__origin__ if get_origin(kind) is Annotated else kind for name, kind in kinds.items()}
    return {name: get_args(kind)[0] for name, kind in bare.items() if get_origin(kind) is tuple}


def _words(parameters: type[msgspec.Struct]) -> Mapping[str, Sequence[str]]:
    return {name: get_args(kind) for name, kind in _lists(parameters).items() if get_origin(kind) is Literal}


def _several(name: str, value: str) -> list[str]:
    """Separated before they are decoded, so that what is encoded stays part of its value."""
    return [_decoded(name, each) for each in value.split(",")] if value else []


def _decoded(name: str, value: str) -> str:
    if "%" not in value:
        return value
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise Refused(400, "invalid", "it is not UTF-8", name) from None


def _shown(name: str) -> str:
    """A place in a body as an answer may have it: its members may be the client's own."""
    return name if re.fullmatch(r"[A-Za-z0-9_.\[\]]{1,64}", name) else ""
