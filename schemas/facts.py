"""The session hash in Redis, field by field (format 1).

    f                 "1", the format of the other fields
    h                 started u64, seen u64, version u32, and how many entries r, c, b and s hold (u8 each)
    r                 recent: type u8, ts u64, length u16, item id; oldest first
    c  b  s           cart, bought, shown: length u16, item id; oldest first
    i                 last event ids, 8 bytes each
    l                 trigger: ts u64, record time u64, offset u64, length u8, lane, event id
    o:<epoch>.<partition>   last applied offset, decimal

All big-endian. Empty fields are absent. The counts stand in the header so that the script can append
and trim without reading a list through.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final

from schemas.click import EventType
from schemas.session import Action, Erased, Position, Session, Trigger

FORMAT: Final = b"1"
TYPES: Final[tuple[EventType, ...]] = ("view", "cart", "remove", "purchase", "like", "impression")
TYPE_CODES: Final[dict[EventType, int]] = {name: code for code, name in enumerate(TYPES, start=1)}

_HEADER: Final = struct.Struct(">QQIBBBB")
_ACTION: Final = struct.Struct(">BQH")
_LENGTH: Final = struct.Struct(">H")
_TRIGGER: Final = struct.Struct(">QQQB")
#: What the names of guards begin with.
GUARD: Final = b"o:"
_ID_BYTES: Final = 8


def encode(session: Session) -> dict[bytes, bytes]:
    """The hash that fold.lua would have left for this session."""
    counts = (len(session.recent), len(session.cart), len(session.bought), len(session.shown))
    fields = {
        b"f": FORMAT,
        b"h": _HEADER.pack(session.started, session.seen, session.version, *counts),
        b"r": b"".join(_pack_action(action) for action in session.recent),
        b"c": _pack_items(session.cart),
        b"b": _pack_items(session.bought),
        b"s": _pack_items(session.shown),
        b"i": b"".join(session.ids),
        b"l": _pack_trigger(session.trigger) if session.trigger else b"",
    }
    guards = {GUARD + lane.encode(): b"%d" % offset for lane, offset in session.guards.items()}
    return {name: value for name, value in fields.items() if value} | guards


def decode(fields: Mapping[bytes, bytes]) -> Session:
    """The session in a hash as Redis holds it."""
    started, seen, version, *_ = _HEADER.unpack(fields[b"h"])
    ids = fields.get(b"i", b"")
    return Session(
        started=started,
        seen=seen,
        version=version,
        recent=tuple(_actions(fields.get(b"r", b""))),
        cart=tuple(_items(fields.get(b"c", b""))),
        bought=tuple(_items(fields.get(b"b", b""))),
        shown=tuple(_items(fields.get(b"s", b""))),
        ids=tuple(ids[at : at + _ID_BYTES] for at in range(0, len(ids), _ID_BYTES)),
        trigger=_unpack_trigger(fields[b"l"]) if b"l" in fields else None,
        guards=guards(fields),
    )


def incarnation(fields: Mapping[bytes, bytes]) -> tuple[int, int]:
    """(started, version) alone, for who has no need of the rest yet."""
    started, _, version, *_ = _HEADER.unpack(fields[b"h"])
    return started, version


def seen(fields: Mapping[bytes, bytes]) -> int:
    """Record time of the last event that was taken, alone."""
    _, last, *_ = _HEADER.unpack(fields[b"h"])
    return int(last)


def guards(fields: Mapping[bytes, bytes]) -> dict[str, int]:
    """Lane -> last applied offset."""
    return {name.removeprefix(GUARD).decode(): int(value) for name, value in fields.items() if name.startswith(GUARD)}


def encode_erased(erased: Erased) -> dict[bytes, bytes]:
    """The erase marker, which outlives the session in the same slot."""
    return {
        b"lane": erased.position.lane.encode(),
        b"offset": b"%d" % erased.position.offset,
        b"at": b"%d" % erased.at,
    }


def decode_erased(fields: Mapping[bytes, bytes]) -> Erased:
    return Erased(_position(fields[b"lane"].decode(), int(fields[b"offset"])), int(fields[b"at"]))


def _pack_action(action: Action) -> bytes:
    item = action.item_id.encode()
    return _ACTION.pack(TYPE_CODES[action.type], action.ts, len(item)) + item


def _actions(packed: bytes) -> Iterator[Action]:
    at = 0
    while at < len(packed):
        code, ts, length = _ACTION.unpack_from(packed, at)
        at += _ACTION.size
        yield Action(packed[at : at + length].decode(), TYPES[code - 1], ts)
        at += length


def _pack_items(items: tuple[str, ...]) -> bytes:
    encoded = [item.encode() for item in items]
    return b"".join(_LENGTH.pack(len(item)) + item for item in encoded)


def _items(packed: bytes) -> Iterator[str]:
    at = 0
    while at < len(packed):
        (length,) = _LENGTH.unpack_from(packed, at)
        at += _LENGTH.size
        yield packed[at : at + length].decode()
        at += length


def _pack_trigger(trigger: Trigger) -> bytes:
    lane = trigger.position.lane.encode()
    head = _TRIGGER.pack(trigger.ts, trigger.record_time, trigger.position.offset, len(lane))
    return head + lane + trigger.event_id.encode()


def _unpack_trigger(packed: bytes) -> Trigger:
    ts, record_time, offset, length = _TRIGGER.unpack_from(packed)
    lane = packed[_TRIGGER.size : _TRIGGER.size + length].decode()
    event_id = packed[_TRIGGER.size + length :].decode()
    return Trigger(event_id, ts, record_time, _position(lane, offset))


def _position(lane: str, offset: int) -> Position:
    epoch, _, partition = lane.rpartition(".")
    return Position(epoch, int(partition), offset)
