"""A JSON Schema as a reader takes it in: a phrase for a value, a row for each member."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from schemas.markup import Markup, element, joined
from serving.http.document import Schema

_KINDS: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
}
#: Defaults that say no more than that something may be left out.
_NOTHING: Final = frozenset({"", "null", "[]", "{}"})


def anchor(name: str) -> str:
    """Where the page tells of a component."""
    return f"type-{name}"


def phrase(schema: Schema) -> Markup:
    """Such as: whole number, 1 to 30; 30 unless given."""
    default = schema.get("default")
    said = default if isinstance(default, str) else msgspec.json.encode(default).decode()
    unless = joined("; ", element("code", said), " unless given") if said not in _NOTHING else ""
    return joined(_kind(schema), unless)


def prose(text: str) -> Markup:
    """What is between backticks is code."""
    return joined(*(element("code", part) if n % 2 else part for n, part in enumerate(text.split("`"))))


def rows(schema: Schema) -> Iterator[Markup]:
    """One for each member of an object."""
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        need = Markup("") if name in required else element("small", "may be left out")
        said = element("p", prose(member["description"])) if "description" in member else Markup("")
        yield element("tr", element("th", element("code", name), need), element("td", phrase(member), said))


def _kind(schema: Schema) -> Markup:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return element("a", name, href=f"#{anchor(name)}")
    if "enum" in schema:
        return _either([element("code", str(value)) for value in schema["enum"]])
    if "anyOf" in schema:
        return _either([_kind(each) for each in schema["anyOf"]])
    if schema.get("type") == "array":
        return _listed(schema)
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return joined("object whose members are each ", _kind(schema["additionalProperties"]))
    return joined(", ".join([_KINDS.get(schema.get("type", ""), "anything"), *_bounds(schema)]))


def _listed(schema: Schema) -> Markup:
    most = schema.get("maxItems")
    of = _either([_kind(each) for each in schema["prefixItems"]]) if "prefixItems" in schema else _kind(schema["items"])
    return joined(f"list of at most {most}: " if most is not None else "list of ", of)


def _either(kinds: list[Markup]) -> Markup:
    head = [part for kind in kinds[:-1] for part in (kind, Markup(", "))][:-1]
    return joined(*head, " or ", kinds[-1]) if head else kinds[-1]


def _bounds(schema: Schema) -> Iterator[str]:
    for least, most, unit in (("minLength", "maxLength", " characters"), ("minimum", "maximum", "")):
        yield from _span(schema.get(least), schema.get(most), unit)


def _span(least: Any, most: Any, unit: str) -> Iterator[str]:
    if least is not None and most is not None:
        yield f"{least} to {most}{unit}"
    elif most is not None:
        yield f"at most {most}{unit}"
    elif least is not None:
        yield f"at least {least}{unit}"
