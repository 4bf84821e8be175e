"""Laws of the click's decoder."""

from __future__ import annotations

import gc
import json
from typing import Any

import psutil
import pytest

from schemas import click
from schemas.click import Click, Erase, EraseUser, read
from schemas.errors import DataError
from schemas.topics import OP_HEADER
from schemas.wire import MAX_BYTES
from tests.worlds.payloads import payloads

GOOD: dict[str, Any] = {
    "event_id": "e1",
    "session_id": "s-1",
    "item_id": "lamp",
    "type": "view",
    "ts": 1_700_000_000_000,
}


def encoded(**changes: object) -> bytes:
    return json.dumps({key: value for key, value in (GOOD | changes).items() if value is not ...}).encode()


def test_a_click_is_what_it_says() -> None:
    found = click.decode(encoded(attrs={"colour": "red"}, user_id="u1"))

    assert (found.event_id, found.session_id, found.item_id, found.type) == ("e1", "s-1", "lamp", "view")
    assert found.ts == 1_700_000_000_000
    assert found.consent is True
    assert found.attrs == {"colour": "red"}


def test_what_is_written_is_read_back_and_names_its_schema() -> None:
    found = click.decode(encoded(placement="home", consent=False))

    assert b'"schema":"nextclick.click/1"' in click.encode(found)
    assert click.decode(click.encode(found)) == found


@pytest.mark.parametrize(
    ("text", "epoch_ms"),
    [
        ("2024-02-29T12:00:00Z", 1_709_208_000_000),
        ("2024-02-29T14:00:00.250+02:00", 1_709_208_000_250),
        ("1970-01-01T00:00:00+00:00", 0),
    ],
)
def test_a_time_may_be_text_with_a_zone(text: str, epoch_ms: int) -> None:
    assert click.decode(encoded(ts=text)).ts == epoch_ms


def test_unknown_fields_are_kept_out_and_harm_nothing() -> None:
    assert click.decode(encoded(surprise={"deep": [1, {"er": None}]})) == click.decode(encoded())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"session_id": "has space"}, "invalid"),
        ({"session_id": "newline\n"}, "invalid"),
        ({"session_id": "x" * 129}, "invalid"),
        ({"session_id": "a}{b"}, "invalid"),
        ({"session_id": ""}, "invalid"),
        ({"event_id": "e" * 65}, "invalid"),
        ({"event_id": ...}, "invalid"),
        ({"item_id": "i\x00"}, "invalid"),
        ({"item_id": "i\n"}, "invalid"),
        ({"item_id": ...}, "invalid"),
        ({"type": "hover"}, "invalid"),
        ({"ts": -1}, "invalid"),
        ({"ts": 2**53}, "invalid"),
        ({"ts": True}, "invalid"),
        ({"ts": 1.5}, "invalid"),
        ({"ts": "2024-02-29T12:00:00"}, "invalid"),
        ({"ts": "yesterday"}, "invalid"),
        ({"attrs": {"a": {"nested": 1}}}, "invalid"),
        ({"attrs": {str(n): n for n in range(33)}}, "invalid"),
        ({"items": ["a"]}, "invalid"),
        ({"type": "impression", "item_id": ..., "items": []}, "invalid"),
        ({"type": "impression", "items": [str(n) for n in range(31)]}, "invalid"),
        ({"schema": "nextclick.click/2"}, "schema"),
        ({"schema": "nextclick.item/1"}, "schema"),
        ({"attrs": {"a": "x" * MAX_BYTES}}, "too_large"),
    ],
)
def test_what_is_no_click_is_refused_with_its_reason(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(DataError) as refused:
        click.decode(encoded(**changes))

    assert refused.value.reason == reason
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("garbage", [b"", b"\x00", b"\xff\xfe", b"[" * 60_000, b'{"a":' * 9_000, b"nul", b'{"ts":NaN}'])
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(DataError):
        click.decode(garbage)


@pytest.mark.parametrize("key", [None, b"", b"s-2", b"s-1\n", b"\xff"])
def test_a_record_whose_key_is_not_its_session_is_refused(key: bytes | None) -> None:
    with pytest.raises(DataError) as refused:
        read(key, encoded())

    assert refused.value.reason == "key"


def test_a_null_value_erases_only_with_its_header() -> None:
    assert read(b"s-1", None, [(OP_HEADER, b"erase")]) == Erase("s-1")
    for key, headers in [(b"s-1", []), (None, [(OP_HEADER, b"erase")]), (b"s-1", [(OP_HEADER, b"other")])]:
        with pytest.raises(DataError) as refused:
            read(key, None, headers)
        assert refused.value.reason == "null_value"
    with pytest.raises(DataError):
        read(b"not a session", None, [(OP_HEADER, b"erase")])


def test_a_user_is_erased_by_the_users_own_key() -> None:
    order = [(OP_HEADER, b"erase-user")]
    assert read("Jürgen, 7".encode(), None, order) == EraseUser("Jürgen, 7")
    for key in (b"", b"\xff", b"u\n", b"x" * 129):
        with pytest.raises(DataError) as refused:
            read(key, None, order)
        assert refused.value.reason == "key"


@pytest.mark.parametrize(
    "count", [100_000, pytest.param(1_000_000, marks=pytest.mark.chaos)], ids=["many", "a million"]
)
def test_mutated_payloads_give_only_clicks_and_data_errors(count: int) -> None:
    """F1."""
    process = psutil.Process()
    taken, refused, before = 0, dict[str, int](), 0
    for number, payload in enumerate(payloads(seed=1, count=count)):
        if number == count // 10:
            gc.collect()
            before = process.memory_info().rss
        try:
            found = click.decode(payload)
        except DataError as error:
            refused[error.reason] = refused.get(error.reason, 0) + 1
        else:
            taken += 1
            assert isinstance(found, Click)
            assert found.touched[0]

    grown_mib = (process.memory_info().rss - before) / 2**20
    print(f"\nF1: {count} payloads, {taken} are clicks, refused {refused}, memory grew by {grown_mib:.1f} MiB")
    assert grown_mib < 16
    assert set(refused) == {"too_large", "not_json", "invalid", "schema"}
    assert count * 0.02 < taken < count * 0.9
