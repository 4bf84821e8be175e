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
    encoded = tuple((name, value.encode(errors="replace")) for name, value in headers.items())
    # What the record carried itself stays, an erase header or a tracing one: a letter must be replayable.
    return Outgoing(names.dead, delivery.key, delivery.value, (*delivery.headers, *encoded))
