"""Hostile payloads: real clicks, bent in every way that has broken a decoder before. One seed, one sequence."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

_SEEDS: Final = (
    b'{"schema":"nextclick.click/1","event_id":"e1","session_id":"s-1","item_id":"lamp","type":"view","ts":1700000000000}',
    b'{"event_id":"e2","session_id":"s_2","item_id":"\xd0\xb6\xf0\x9f\xa7\xa6","type":"cart","ts":"2024-02-29T12:00:00+02:00",'
    b'"user_id":"u","consent":false,"attrs":{"a":1,"b":"x","c":1.5,"d":null,"e":true}}',
    b'{"event_id":"e3","session_id":"s3","type":"impression","items":["a","b","c"],"placement":"home","ts":1}',
    b'{"event_id":"e4","session_id":"s4","item_id":"i","type":"purchase","ts":0,"unknown":{"deep":[1,2,{"x":[]}]}}',
)
_TOKENS: Final = (
    b"NaN", b"Infinity", b"-1e999", b"1e400", b"9" * 400, b"-0", b"0x10", b"null", b"true", b'""', b"{}", b"[]",
    b"\\ud800", b"\\u0000", b"\xff", b"\xed\xa0\x80", b"\x00", b"\xef\xbb\xbf", b"\r\nX: y", b"[" * 3_000,
    b'{"a":' * 3_000, b'"' * 50, b"9007199254740993", b"-1", b"1.5", b'"2024-13-45T99:99:99Z"', b'"2024-01-01"',
    b'"9999-12-31T23:59:59+23:59"', b'"0001-01-01T00:00:00+14:00"', b"A" * 70_000, b"/*", b"//", b"'",
)  # fmt: skip


def payloads(seed: int, count: int) -> Iterator[bytes]:
    random = Random(seed)
    for _ in range(count):
        payload = random.choice(_SEEDS)
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            payload = _bent(random, payload)
        yield payload


def _bent(random: Random, payload: bytes) -> bytes:
    at = random.randrange(len(payload) + 1)
    way = random.randrange(6)
    if way == 0:  # one byte is another
        return payload[:at] + bytes([random.randrange(256)]) + payload[at + 1 :]
    if way == 1:  # cut short
        return payload[:at]
    if way == 2:  # something is put in
        return payload[:at] + random.choice(_TOKENS) + payload[at:]
    if way == 3:  # a value becomes something else
        start = payload.find(b":", at)
        stop = payload.find(b",", start)
        return payload[: start + 1] + random.choice(_TOKENS) + payload[stop:] if 0 < start < stop else payload
    if way == 4:  # a piece comes twice
        return payload[:at] + payload[at // 2 :]
    other = random.choice(_SEEDS)  # two payloads grow together
    return payload[:at] + other[random.randrange(len(other)) :]
