"""The dead letters: original key and bytes, and in the headers why and where from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas import topics
from schemas.topics import Topics
from serving.state.producer import Outgoing
from stream.intake import Letter

#: A decoder's words about a hostile payload are kept, but not at any length.
_DETAIL_MAX: Final = 300
#: Of key and of value each, so that a letter fits its topic's 2 MiB with room for headers.
_PART_MAX_BYTES: Final = 900 * 1024
_HEADERS_MAX_BYTES: Final = 64 * 1024


def letters(found: Sequence[Letter], names: Topics) -> list[Outgoing]:
    return [_outgoing(letter, names) for letter in found]


def _outgoing(letter: Letter, names: Topics) -> Outgoing:
    delivery = letter.delivery
    headers = {
        topics.DEAD_REASON: f"{letter.reason}: {letter.detail}"[:_DETAIL_MAX],
        topics.DEAD_TOPIC: names.clickstream,
        topics.DEAD_PARTITION: str(delivery.partition),
        topics.DEAD_OFFSET: str(delivery.offset),
        topics.DEAD_TIME: str(delivery.record_time),
    }
    key, value, kept = _cut(delivery.key), _cut(delivery.value), _kept(delivery.headers)
    if (key, value, kept) != (delivery.key, delivery.value, delivery.headers):
        headers[topics.DEAD_CUT] = f"{_length(delivery.key)} {_length(delivery.value)}"
    if key is None and value is None:  # Kafka's clients send no such record, though some producers did
        value, headers[topics.DEAD_CUT] = b"", "null null"
    encoded = tuple((name, text.encode(errors="replace")) for name, text in headers.items())
    # What the record carried itself stays, an erase header or a tracing one: a letter must be replayable.
    return Outgoing(names.dead, key, value, (*kept, *encoded))


def _cut(data: bytes | None) -> bytes | None:
    """A record may unpack to more than any topic takes, and a letter that cannot be sent would stop its partition."""
    return data if data is None else data[:_PART_MAX_BYTES]


def _length(data: bytes | None) -> str:
    return "null" if data is None else str(len(data))


def _kept(headers: Sequence[tuple[str, bytes]]) -> Sequence[tuple[str, bytes]]:
    weight = sum(len(name.encode()) + len(value or b"") for name, value in headers)
    return headers if weight <= _HEADERS_MAX_BYTES else ()
