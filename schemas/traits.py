"""The hash of a user's profile in Redis, field by field (format 1).

    f                 "1", the format of the other fields
    b  l              bought, liked: how many u8; last time u64, type u8, count u16, length u16, item id, length u16
                      again; the earliest place first
    e                 record time of the last erasure, decimal
    o:<epoch>.<partition>   last applied offset, decimal

All big-endian. Empty fields are absent. The length stands at both ends, so that the script can find a place from the
end and drop the first without reading a list through.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final

from schemas.facts import GUARD, TYPE_CODES, TYPES, guards
from schemas.profile import Deed, Profile

FORMAT: Final = b"1"
_DEED: Final = struct.Struct(">QBHH")
_LENGTH: Final = struct.Struct(">H")


def encode(profile: Profile) -> dict[bytes, bytes]:
    """The hash that profile.lua would have left for this profile."""
    fields = {
        b"f": FORMAT,
        b"b": _pack_all(profile.bought),
        b"l": _pack_all(profile.liked),
        b"e": b"" if profile.erased is None else b"%d" % profile.erased,
    }
    lanes = {GUARD + lane.encode(): b"%d" % offset for lane, offset in profile.guards.items()}
    return {name: value for name, value in fields.items() if value} | lanes


def decode(fields: Mapping[bytes, bytes]) -> Profile:
    """The profile in a hash as Redis holds it."""
    return Profile(
        bought=tuple(_deeds(fields.get(b"b", b""))),
        liked=tuple(_deeds(fields.get(b"l", b""))),
        erased=int(fields[b"e"]) if b"e" in fields else None,
        guards=guards(fields),
    )


def _pack_all(deeds: tuple[Deed, ...]) -> bytes:
    return bytes([len(deeds)]) + b"".join(map(_pack, deeds)) if deeds else b""


def _pack(deed: Deed) -> bytes:
    item = deed.item_id.encode()
    return _DEED.pack(deed.last, TYPE_CODES[deed.type], deed.count, len(item)) + item + _LENGTH.pack(len(item))


def _deeds(packed: bytes) -> Iterator[Deed]:
    at = 1
    while at < len(packed):
        last, code, count, length = _DEED.unpack_from(packed, at)
        at += _DEED.size
        yield Deed(packed[at : at + length].decode(), TYPES[code - 1], last, count)
        at += length + _LENGTH.size
