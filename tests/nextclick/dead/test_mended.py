"""Laws of reading mended payloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from nextclick.dead import mended
from nextclick.dead.parcel import pack
from schemas.click import Click
from schemas.errors import DataError, UsageError
from schemas.letter import Coordinates, Letter, Source
from schemas.topics import OP_ERASE, OP_ERASE_USER, OP_HEADER
from tests.worlds.histories import START_MS

AT = Coordinates(3, 17)
GOOD = b'{"event_id":"e","session_id":"s1","item_id":"i","type":"view","ts":5}'


def read(tmp_path: Path, content: bytes, *named: Coordinates) -> mended.Mended:
    file = tmp_path / "mended"
    file.write_bytes(content)
    return mended.read(file, named)


def letter(value: bytes | None, key: bytes | None = b"s1", cut: str | None = None) -> Letter:
    return Letter(Source("clickstream", 3, 17, START_MS), "invalid", "d", key, value, (("trace", b"t"),), cut)


def test_of_one_letter_that_is_named_the_file_is_the_payload(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD + b"\n", AT) == {AT: GOOD + b"\n"}


def test_otherwise_each_line_names_its_letter(tmp_path: Path) -> None:
    lines = b"""
{"letter":"3:17","reason":"key","value":{"ts": 5},"unknown":1}
{"letter":"0:1","value":"{\\"ts\\": 6}"}\r
{"letter":"0:2","value_base64":"/w=="}
{"letter":"0:3","value":null}
"""
    assert read(tmp_path, lines) == {
        AT: b'{"ts": 5}',
        Coordinates(0, 1): b'{"ts": 6}',
        Coordinates(0, 2): b"\xff",
        Coordinates(0, 3): None,
    }


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b'{"value":1}',
        b'{"letter":"3:17"}',
        b'{"letter":"three","value":{}}',
        b'{"letter":"3:17","value":1',
    ],
)
def test_a_line_that_is_none_is_named_and_nothing_is_taken(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(DataError, match="line 2 of .*`nextclick dead list --lines`"):
        read(tmp_path, b'{"letter":"0:1","value":{}}\n' + line)


def test_two_payloads_for_one_letter_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2 of .* 0:1 has a line already"):
        read(tmp_path, b'{"letter":"0:1","value":{}}\n' * 2)


def test_one_file_is_not_the_payload_of_two_letters(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one letter"):
        read(tmp_path, GOOD, AT, Coordinates(3, 18))


def test_a_file_that_is_not_there_is_a_wrong_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a file"):
        mended.read(tmp_path / "none", [])


def test_a_letter_goes_back_as_it_came() -> None:
    parcel = pack(letter(GOOD), {})
    assert (parcel.key, parcel.value, parcel.headers) == (b"s1", GOOD, (("trace", b"t"),))
    assert isinstance(parcel.event, Click)


def test_a_letter_that_would_be_refused_again_stays() -> None:
    for bad, reason in ((letter(b"{"), "not_json"), (letter(GOOD, key=b"other"), "key"), (letter(None), "null_value")):
        with pytest.raises(DataError) as refusal:
            pack(bad, {})
        assert refusal.value.reason == reason


def test_a_mended_letter_is_keyed_by_its_session() -> None:
    for key in (b"other", None):
        parcel = pack(letter(b"{", key), {AT: GOOD})
        assert (parcel.key, parcel.value, parcel.headers) == (b"s1", GOOD, (("trace", b"t"),))


def test_a_letter_that_was_cut_goes_back_only_when_it_is_mended() -> None:
    cut = letter(GOOD, cut="2 3145728")
    with pytest.raises(DataError) as refusal:
        pack(cut, {})
    assert refusal.value.reason == "cut"
    assert pack(cut, {AT: GOOD}).value == GOOD


def test_an_order_to_erase_is_sent_back_as_one() -> None:
    source = Source("clickstream", 3, 17, START_MS)
    order = Letter(source, "no_time", "d", b"s1", None, ((OP_HEADER, OP_ERASE),))
    parcel = pack(order, {})
    assert (parcel.key, parcel.value, parcel.headers) == (b"s1", None, ((OP_HEADER, OP_ERASE),))


def test_an_order_to_erase_a_user_that_an_older_worker_did_not_know_is_to_be_given_again() -> None:
    order = Letter(
        Source("clickstream", 3, 17, START_MS), "null_value", "d", b"u1", None, ((OP_HEADER, OP_ERASE_USER),)
    )
    with pytest.raises(DataError, match="nextclick user erase u1") as refusal:
        pack(order, {})
    assert refusal.value.reason == "user"
