"""Laws of the catalogue's records."""

from __future__ import annotations

import pytest

from schemas.errors import DataError
from schemas.item import Entry, Item, encode, read
from schemas.wire import MAX_BYTES, EpochMs

LAMP = Item(
    item_id="lamp", title="Lamp", category=("Home", "Light"), price="9.90", created_at=EpochMs(1_700_000_000_000)
)


def test_an_entry_is_its_item_or_that_it_is_gone() -> None:
    assert read(b"lamp", encode(LAMP)) == Entry("lamp", LAMP)
    assert read(b"lamp", None) == Entry("lamp", None)


@pytest.mark.parametrize(
    ("item", "offered"), [(LAMP, True), (Item(item_id="a", available=False), False), (None, False)]
)
def test_what_is_there_and_available_is_offered(item: Item | None, offered: bool) -> None:
    assert Entry("lamp", item).is_offered == offered


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (None, encode(LAMP), "key"),
        (b"rug", encode(LAMP), "key"),
        (b"\xff", None, "key"),
        (b"\xff", encode(LAMP), "key"),
        (b"lamp", b"", "not_json"),
        (b"lamp", b"[]", "invalid"),
        (b"lamp", b'{"item_id":"lamp","price":1}', "invalid"),
        (b"lamp", b'{"schema":"nextclick.item/2","item_id":"lamp"}', "schema"),
        (b"lamp", b"x" * (MAX_BYTES + 1), "too_large"),
    ],
)
def test_a_record_that_says_nothing_of_any_item_is_told_apart_by_why(
    key: bytes | None, value: bytes | None, reason: str
) -> None:
    with pytest.raises(DataError) as refused:
        read(key, value)
    assert refused.value.reason == reason
