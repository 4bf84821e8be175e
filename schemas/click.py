"""The click event: what a shop sends, and the only decoder of it.

A record of the clickstream topic is either a click (key = session id, value = JSON) or an order to
erase its session (null value, one header). Whatever is neither raises DataError, whose reason goes
with the original bytes to the dead-letter topic.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from schemas import wire
from schemas.errors import DataError
from schemas.topics import OP_ERASE, OP_ERASE_USER, OP_HEADER
from schemas.wire import Attrs, EpochMs, EventId, ItemId, Label, SessionId

EventType = Literal["view", "cart", "remove", "purchase", "like", "impression"]


class Click(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag="nextclick.click/1"):
    """One thing a shopper did."""

    event_id: EventId
    session_id: SessionId
    type: EventType
    ts: EpochMs
    #: Required, except in an impression that carries `items`.
    item_id: ItemId | None = None
    #: Impressions only: everything one widget showed at once.
    items: Annotated[tuple[ItemId, ...], Meta(max_length=30)] = ()
    user_id: Label | None = None
    consent: bool = True
    recommendation_id: Label | None = None
    placement: Label | None = None
    market: Label | None = None
    attrs: Attrs = {}

    def __post_init__(self) -> None:
        if self.item_id is None and not (self.type == "impression" and self.items):
            raise ValueError("`item_id` is required")
        if self.items and self.type != "impression":
            raise ValueError("`items` belongs to an impression")

    @property
    def touched(self) -> tuple[str, ...]:
        """The items this event is about."""
        return self.items or (self.item_id or "",)


class Posted(Click, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag="nextclick.click/1"):
    """A click as a storefront sends it: whose session it is may be proven otherwise, and when it was be left out."""

    session_id: SessionId = msgspec.field(default_factory=str)
    ts: EpochMs = msgspec.field(default_factory=EpochMs)


class Erase(Struct, frozen=True):
    """The order to forget a session, sent as a record with a null value."""

    session_id: SessionId


class EraseUser(Struct, frozen=True):
    """The order to forget a user across sessions, sent likewise under the user's id."""

    user_id: Label


#: What a record of the clickstream may say.
Event = Click | Erase | EraseUser

_DECODER: Final = msgspec.json.Decoder(Click, dec_hook=wire.read_special)
_POSTED: Final = msgspec.json.Decoder(Posted, dec_hook=wire.read_special)


def decode(value: bytes) -> Click:
    """The click in a record's value."""
    return wire.decode(_DECODER, value)


def decode_posted(value: bytes) -> Posted:
    """The click that was sent; what it leaves out is still to be filled in."""
    return wire.decode(_POSTED, value)


def encode(click: Click) -> bytes:
    return wire.ENCODER.encode(click)


def read(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]] = ()) -> Event:
    """What one record of the clickstream says. Its key must be its session: Kafka orders by key alone."""
    if value is None:
        ops = {op for name, op in headers if name == OP_HEADER}
        if key is None or not ops & {OP_ERASE, OP_ERASE_USER}:
            raise DataError("null_value", f"a null value needs a key and the header {OP_HEADER}: erase or erase-user")
        return _read_erase(key) if OP_ERASE in ops else _read_erase_user(key)
    click = decode(value)
    if key is None or key != click.session_id.encode():
        raise DataError("key", "the record's key is not its session_id")
    return click


def _read_erase(key: bytes) -> Erase:
    try:
        return wire.convert({"session_id": key.decode()}, Erase)
    except (DataError, UnicodeDecodeError) as error:
        raise DataError("key", f"no session id: {error}") from None


def _read_erase_user(key: bytes) -> EraseUser:
    try:
        return wire.convert({"user_id": key.decode()}, EraseUser)
    except (DataError, UnicodeDecodeError) as error:
        raise DataError("key", f"no user id: {error}") from None
