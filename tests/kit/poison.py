"""Records that no session can take, of twelve kinds, and a topic that is sprinkled with them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Final

import msgspec

from schemas.click import Click, encode
from schemas.wire import MAX_BYTES
from tests.kit.load import Message, message

#: A header of these tests alone, by which a poisoned record is known again; its value is the kind.
MARK: Final = "test-poison"

_Pair = tuple[bytes | None, bytes | None]


def _of(click: Click) -> dict[str, object]:
    fields: dict[str, object] = msgspec.json.decode(encode(click))
    return fields


def _with(click: Click, **changes: object) -> bytes:
    return msgspec.json.encode(_of(click) | changes)


def _key(click: Click) -> bytes:
    return click.session_id.encode()


KINDS: Final[dict[str, Callable[[Click], _Pair]]] = {
    "garbage": lambda click: (_key(click), b"\x00\xff\xfe not json"),
    "cut short": lambda click: (_key(click), encode(click)[:-7]),
    "deep": lambda click: (_key(click), b"[" * 50_000),
    "compressed": lambda click: (_key(click), gzip.compress(encode(click))),
    "too large": lambda click: (_key(click), _with(click, more="x" * MAX_BYTES)),
    "null value": lambda click: (_key(click), None),
    "no key": lambda click: (None, encode(click)),
    "another's key": lambda click: (b"somebody-else", encode(click)),
    "hostile id": lambda click: (b"../../etc", _with(click, session_id="../../etc")),
    "no number": lambda click: (_key(click), _with(click, ts=0).replace(b'"ts":0', b'"ts":NaN')),
    "wrong type": lambda click: (_key(click), _with(click, item_id=["lamp"])),
    "another schema": lambda click: (_key(click), _with(click, schema="nextclick.click/2")),
}


def sprinkled(clicks: Iterable[Click], seed: int, share: float, burst: int) -> Iterator[Message]:
    """The clicks, after every hundredth or so a poisoned one, and in the middle `burst` of them in a row."""
    random = Random(seed)
    clicks = list(clicks)
    for at, click in enumerate(clicks):
        if at == len(clicks) // 2:
            yield from (_poisoned(click, number) for number in range(burst))
        if random.random() < share:
            yield _poisoned(click, random.randrange(len(KINDS)))
        yield message(click)


def _poisoned(click: Click, number: int) -> Message:
    kind = list(KINDS)[number % len(KINDS)]
    key, value = KINDS[kind](click)
    return key, value, [(MARK, kind.encode())]
