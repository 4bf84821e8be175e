"""OpenAPI's own words, as far as the endpoint needs them: what openapi.json is written, and the docs are made, from."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType, field

#: A JSON Schema.
Schema = dict[str, Any]


class Info(msgspec.Struct, frozen=True):
    title: str
    version: str
    description: str


class Header(msgspec.Struct, frozen=True):
    description: str
    schema: Schema


class Media(msgspec.Struct, frozen=True, omit_defaults=True):
    schema: Schema
    example: Any = UNSET


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    description: str
    headers: dict[str, Header] = {}
    content: dict[str, Media] = {}
    links: dict[str, dict[str, Any]] = {}


class Reference(msgspec.Struct, frozen=True):
    ref: str = field(name="$ref")


class Parameter(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str
    place: str = field(name="in")
    schema: Schema
    description: str = ""
    required: bool = False
    style: str = ""
    explode: bool | UnsetType = UNSET


class Body(msgspec.Struct, frozen=True):
    content: dict[str, Media]
    required: bool


class Described(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One operation."""

    operation_id: str
    summary: str
    responses: dict[str, Answer | Reference]
    security: list[dict[str, list[str]]] | UnsetType = UNSET
    description: str = ""
    parameters: list[Parameter] = []
    request_body: Body | UnsetType = UNSET


class Components(msgspec.Struct, frozen=True, rename="camel"):
    schemas: dict[str, Schema]
    responses: dict[str, Answer]
    security_schemes: dict[str, dict[str, str]]


class Document(msgspec.Struct, frozen=True):
    openapi: str
    info: Info
    paths: dict[str, dict[str, Described]]
    components: Components
