"""The JSON Schema files under schemas/json, generated from the types."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from schemas.bundle import Manifest
from schemas.click import Click
from schemas.errors import InvariantError
from schemas.item import Item
from schemas.ranking import Ranking
from schemas.recommendation import Recommendation
from schemas.similar import SimilarItems
from schemas.wire import EpochMs

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PUBLISHED: Final[dict[str, type]] = {
    "click.json": Click,
    "item.json": Item,
    "recommendation.json": Recommendation,
    "similar.json": SimilarItems,
    "manifest.json": Manifest,
    "ranking.json": Ranking,
}


def files() -> dict[str, bytes]:
    """File name -> what it must hold."""
    return {name: _file(kind) for name, kind in _PUBLISHED.items()}


def _file(kind: type) -> bytes:
    schema = {"$schema": _DIALECT, **msgspec.json.schema(kind, schema_hook=special)}
    return portable(msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2)) + b"\n"


def portable(document: bytes) -> bytes:
    """Patterns as JSON Schema has them, where `$` is the end: what Python needs besides, Go and Rust refuse to read."""
    return document.replace(rb"$(?!\\n)", rb"$")


def special(kind: type) -> dict[str, Any]:
    """msgspec's hook for the types whose schema it does not know."""
    if kind is not EpochMs:
        raise InvariantError(f"no contract says what the schema of {kind} is")
    return {
        "description": "epoch milliseconds, or ISO-8601 with a zone",
        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "format": "date-time", "maxLength": 40}],
    }
