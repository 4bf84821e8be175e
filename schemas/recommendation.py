"""The recommendation: what subscribers of the topic and pollers of the endpoint receive.

A subscriber keeps the greatest (`session_started`, `session_version`, `revision`) of a session and drops
what is not greater: that triple is the idempotency key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Self

import msgspec
from msgspec import Meta, Struct

from schemas import wire
from schemas.session import Trigger
from schemas.wire import ItemId, SessionId

#: How many of the ranked items are published, and how many are kept so that rules still leave 30.
PUBLISHED: Final = 30
STORED: Final = 60

#: What stands for the session in a list that is made for whoever asks: no id is told that was not proved.
ANYBODY: Final = "anybody"


class Reason(Struct, frozen=True):
    """Why an item is in the list: a code to act on, a text to show."""

    code: str
    params: dict[str, str] = {}
    text: str = ""


class Item(Struct, frozen=True):
    item_id: ItemId
    rank: Annotated[int, Meta(ge=1, le=STORED)]
    #: Comparable only within one list.
    score: float
    source: str
    reason: Reason


class Spare(Struct, frozen=True, array_like=True):
    """A ranked item beyond the published ones, kept small: rules draw on it, and its reason is worded then."""

    item_id: str
    score: float
    source: str
    code: str
    #: The item that the reason names, if it names one.
    because: str = ""


class TriggeredBy(Struct, frozen=True):
    """The click this list answers, and where it lies in Kafka."""

    event_id: str
    ts: int
    record_time: int
    topic: str
    epoch: str
    partition: int
    offset: int

    @classmethod
    def of(cls, trigger: Trigger | None, topic: str) -> Self:
        """Of a list that answers no click, because nothing is known of its session: empty, and no offset there is."""
        if trigger is None:
            return cls("", 0, 0, "", "", -1, -1)
        at = trigger.position
        return cls(trigger.event_id, trigger.ts, trigger.record_time, topic, at.epoch, at.partition, at.offset)


class Model(Struct, frozen=True):
    version: str
    counts_version: str
    variant: str = "default"


class Recommendation(Struct, frozen=True, kw_only=True, tag_field="schema", tag="nextclick.recommendation/1"):
    recommendation_id: str
    session_id: SessionId
    session_started: int
    session_version: int
    generated_at: int
    trigger: TriggeredBy
    model: Model
    placement: str = "default"
    items: Annotated[tuple[Item, ...], Meta(max_length=STORED)] = ()
    #: How many candidates the items were chosen from.
    pool_size: int = 0
    #: Why the list is not the ranker's best answer; null when it is.
    fallback: str | None = None
    # Last, because the store script alone knows it and writes it behind the rest.
    revision: int = 0


_DECODER: Final = msgspec.json.Decoder(Recommendation)
_END: Final = b"0}"


def spares(items: Sequence[Item]) -> bytes:
    """The items that are not published, as the store keeps them."""
    return wire.ENCODER.encode(
        [
            Spare(each.item_id, each.score, each.source, each.reason.code, each.reason.params.get("item_id", ""))
            for each in items[PUBLISHED:]
        ]
    )


def decode_spares(packed: bytes) -> list[Spare]:
    return msgspec.json.decode(packed, type=list[Spare])


def encode(recommendation: Recommendation) -> bytes:
    return wire.ENCODER.encode(recommendation)


def decode(body: bytes) -> Recommendation:
    """A published list, as a subscriber reads it. Raises msgspec.ValidationError when it is none."""
    return _DECODER.decode(body)


def unrevised(recommendation: Recommendation) -> bytes:
    """The body up to its revision, which the store script appends: `unrevised + b"7}"` is the whole."""
    body = wire.ENCODER.encode(recommendation)
    if recommendation.revision != 0 or not body.endswith(b'"revision":' + _END):
        raise ValueError("revision is the store script's to give, and its place is last")
    return body[: -len(_END)]


def revised(head: bytes, revision: int) -> bytes:
    return head + b"%d}" % revision
