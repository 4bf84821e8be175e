"""A letter for the eyes of a person, and as one line of JSON that `dead replay --mended` takes back.

Whatever is in it came from outside, perhaps with the wish to harm: nothing unprintable reaches a terminal, and nothing
fills it without end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from nextclick.dead.letterbox import Found
from nextclick.dead.summary import moment
from nextclick.terminal import json_text, plain
from schemas.letter import Letter

_VALUE_MAX: Final = 4_096
_TEXT_MAX: Final = 200
_HEADERS_MAX: Final = 20


def lines(letter: Letter, found: Sequence[Found], *, replayed: bool) -> Iterator[str]:
    """`found` are its copies on the dead-letter topic, at least one."""
    source = letter.source
    yield f"letter    {source.coordinates} of {source.topic}"
    yield f"reason    {plain(letter.reason)}"
    yield f"detail    {plain(letter.detail)}"
    yield f"arrived   {moment(source.time) if source.time > 0 else 'without a time'}"
    for each in found:
        yield f"written   {moment(each.time)}, at {each.partition}:{each.offset} of the dead-letter topic"
    yield f"replayed  {'yes' if replayed else 'no'}"
    if letter.cut is not None:
        yield f"cut       not kept whole: key and value had, in bytes: {plain(letter.cut)}"
    for name, value in letter.headers[:_HEADERS_MAX]:
        yield f"header    {_bounded(name.encode(), _TEXT_MAX)}: {_bounded(value, _TEXT_MAX)}"
    if len(letter.headers) > _HEADERS_MAX:
        yield f"header    and {len(letter.headers) - _HEADERS_MAX} more"
    yield f"key       {_bounded(letter.key, _TEXT_MAX)}"
    yield f"value     {_bounded(letter.value, _VALUE_MAX)}"


def _bounded(data: bytes | None, most: int) -> str:
    if data is None:
        return "(null)"
    text = plain(data[:most].decode(errors="backslashreplace"))
    return text if len(data) <= most else f"{text} ... and {len(data) - most} bytes more"


def json_line(letter: Letter, *, replayed: bool) -> str:
    """The value is there as what it is: an object of JSON, else text, else base64."""
    source = letter.source
    report: dict[str, Any] = {
        "letter": str(source.coordinates),
        "topic": source.topic,
        "time": source.time,
        "reason": letter.reason,
        "detail": letter.detail,
        "replayed": replayed,
        "cut": letter.cut,
        "headers": [{"name": name, **_text("value", value)} for name, value in letter.headers],
        **_text("key", letter.key),
        **_payload("value", letter.value),
    }
    # Between the values of a payload that came on several lines stand line ends; within its strings none can.
    return json_text(msgspec.json.encode(report).decode().replace("\r", " ").replace("\n", " ").replace("\t", " "))


def _text(name: str, data: bytes | None) -> dict[str, Any]:
    try:
        return {name: None if data is None else data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": data}  # as the encoder writes bytes


def _payload(name: str, data: bytes | None) -> dict[str, Any]:
    text = _text(name, data)
    try:
        msgspec.json.decode(text.get(name) or "", type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        return text
    return {name: msgspec.Raw(data or b"")}
