"""A catalogue item, as the topic `catalog` carries it (key = item id, null value = gone)."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from schemas import wire
from schemas.errors import DataError
from schemas.wire import Attrs, EpochMs, ItemId

Words = Annotated[str, Meta(max_length=512)]
#: Decimal text: a float would turn 19.99 into something else.
Price = Annotated[str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?$(?!\n)")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$(?!\n)")]


class Item(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag="nextclick.item/1"):
    """One product of the shop."""

    item_id: ItemId
    title: Words = ""
    description: Annotated[str, Meta(max_length=16_384)] = ""
    #: Path from the root of the shop's tree.
    category: Annotated[tuple[Words, ...], Meta(max_length=16)] = ()
    brand: Words | None = None
    price: Price | None = None
    currency: Currency | None = None
    #: False takes it out of every answer within a second.
    available: bool = True
    image: Annotated[str, Meta(max_length=2_048)] | None = None
    #: A candidate only from here on.
    created_at: EpochMs | None = None
    attrs: Attrs = {}


class Entry(Struct, frozen=True):
    """What the topic says of one item: how it is now."""

    item_id: str
    #: None when it is gone.
    item: Item | None

    @property
    def is_offered(self) -> bool:
        return self.item is not None and self.item.available


_DECODER: Final = msgspec.json.Decoder(Item, dec_hook=wire.read_special)


def decode(value: bytes) -> Item:
    """The item in a record's value."""
    return wire.decode(_DECODER, value)


def read(key: bytes | None, value: bytes | None) -> Entry:
    """The entry in a record; DataError where it says nothing of any item."""
    try:
        item_id = (key or b"").decode()
    except UnicodeDecodeError as error:
        raise DataError("key", f"the key is not UTF-8: {error}") from None
    if value is None:
        return Entry(item_id, None)
    item = decode(value)
    if item.item_id != item_id:
        raise DataError("key", f"the key {item_id!r} is not the item_id {item.item_id!r}")
    return Entry(item_id, item)


def encode(item: Item) -> bytes:
    return wire.ENCODER.encode(item)
