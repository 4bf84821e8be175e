"""What every JSON form of ours shares: names, times, bounds, and one way to be refused."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from schemas.errors import DataError, InvariantError

#: What one event or item may weigh; a topic's own limit is larger because it limits a producer's batch.
MAX_BYTES: Final = 64 * 1024

# `$` matches before a trailing newline in Python, not in JSON Schema's dialect: the look-ahead makes it mean the same
# here, and schemas/jsonschema.py leaves it out.
_PRINTABLE: Final = r"^[^\x00-\x1f\x7f]+$(?!\n)"
_IDENTIFIER: Final = r"^[A-Za-z0-9_-]+$(?!\n)"

SessionId = Annotated[str, Meta(min_length=1, max_length=128, pattern=_IDENTIFIER)]
ItemId = Annotated[str, Meta(min_length=1, max_length=128, pattern=_PRINTABLE)]
EventId = Annotated[str, Meta(min_length=1, max_length=64, pattern=_PRINTABLE)]
Label = Annotated[str, Meta(min_length=1, max_length=128, pattern=_PRINTABLE)]

_AttrName = Annotated[str, Meta(min_length=1, max_length=64)]
_AttrText = Annotated[str, Meta(max_length=256)]
Attrs = Annotated[dict[_AttrName, _AttrText | int | float | bool | None], Meta(max_length=32)]

#: Past this a double, which is what Lua counts in, no longer holds every whole number.
_LATEST_MS: Final = 2**53 - 1
_TIME_TEXT_MAX: Final = 40

T = TypeVar("T")


class EpochMs(int):
    """Milliseconds since 1970; read from a whole number or from ISO-8601 with a zone."""


def read_time(value: object) -> EpochMs:
    if isinstance(value, str) and len(value) <= _TIME_TEXT_MAX:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("a time without a zone")
        value = round(moment.timestamp() * 1000)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("a time is epoch milliseconds or ISO-8601 with a zone")
    if not 0 <= value <= _LATEST_MS:
        raise ValueError("a time outside 1970 and the far future")
    return EpochMs(value)


def read_special(kind: type, value: Any) -> EpochMs:
    """msgspec's hook for the types it does not know."""
    if kind is not EpochMs:
        raise InvariantError(f"no contract says how {kind} is read")
    return read_time(value)


def _write_special(value: object) -> int:
    if not isinstance(value, EpochMs):
        raise InvariantError(f"no contract says how {type(value)} is written")
    return int(value)


ENCODER: Final = msgspec.json.Encoder(enc_hook=_write_special)


def decode(decoder: msgspec.json.Decoder[T], value: bytes) -> T:
    """`value` as the decoder's type, or DataError with the reason it is none."""
    if len(value) > MAX_BYTES:
        raise DataError("too_large", f"{len(value)} bytes; at most {MAX_BYTES} are taken")
    try:
        return decoder.decode(value)
    except msgspec.ValidationError as error:
        detail = str(error)
        raise DataError("schema" if detail.endswith("`$.schema`") else "invalid", detail) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError("not_json", str(error)) from None


def convert(fields: dict[str, Any], kind: type[T]) -> T:
    """`fields`, loosely typed as a file has them, as `kind`, or DataError."""
    try:
        return msgspec.convert(fields, kind, dec_hook=read_special)
    except msgspec.ValidationError as error:
        raise DataError("invalid", str(error)) from None
