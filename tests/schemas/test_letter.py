"""Laws of reading dead letters: what the worker wrote down is what is read."""

from __future__ import annotations

import pytest

from schemas.errors import DataError
from schemas.letter import Coordinates, Letter, Source, read
from schemas.topics import DEAD_CUT, DEAD_OFFSET, DEAD_PARTITION, DEAD_REASON, DEAD_TIME, DEAD_TOPIC, Topics
from stream.intake import Letter as Refused
from tests.kit.letters import letter, written
from tests.worlds.histories import START_MS

NAMES = Topics.named("shop.")
SOURCE = Source("shop.clickstream", 3, 17, START_MS)


def back(refused: Refused) -> Letter:
    (raw,) = written([refused], NAMES)
    return read(raw.key, raw.value, raw.headers)


def test_a_letter_is_read_as_the_worker_wrote_it() -> None:
    found = back(letter(17, b"\xff\x00", headers=[("trace", b"t"), ("trace", b"u")]))

    headers = (("trace", b"t"), ("trace", b"u"))
    detail = "Object missing required field `ts`"
    assert found == Letter(SOURCE, "invalid", detail, b"s1", b"\xff\x00", headers)
    assert found.source.coordinates == Coordinates(3, 17)


@pytest.mark.parametrize(("key", "value"), [(None, b"{"), (b"s1", None), (b"", b"")])
def test_null_is_not_empty(key: bytes | None, value: bytes | None) -> None:
    found = back(letter(17, value, key))
    assert (found.key, found.value, found.cut) == (key, value, None)


def test_what_was_not_kept_whole_says_so() -> None:
    assert back(letter(17, b"x" * 3 * 2**20)).cut == "2 3145728"
    assert back(letter(17, None, None)).cut == "null null"


def test_a_record_cannot_pass_for_another_by_headers_of_its_own() -> None:
    # given a record that claims to be a cut letter of somebody else
    lies = [(DEAD_REASON, b"lie"), (DEAD_TOPIC, b"other"), (DEAD_PARTITION, b"9"), (DEAD_OFFSET, b"9")]
    lies += [(DEAD_TIME, b"9"), (DEAD_CUT, b"9 9"), ("trace", b"t")]

    # when
    found = back(letter(17, headers=lies))

    # then neither it nor what is sent back of it says so
    assert (found.source, found.reason, found.cut) == (SOURCE, "invalid", None)
    assert found.headers == (("trace", b"t"),)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("trace", b"t")],
        [(DEAD_REASON, b"invalid: x")],
        [(DEAD_REASON, None), (DEAD_TOPIC, None), (DEAD_PARTITION, None), (DEAD_OFFSET, None), (DEAD_TIME, None)],
        [
            (DEAD_REASON, b"x"),
            (DEAD_TOPIC, b"t"),
            (DEAD_PARTITION, b"1"),
            (DEAD_OFFSET, b"\xd9\xa3"),
            (DEAD_TIME, b"1"),
        ],
        [(DEAD_REASON, b"x"), (DEAD_TOPIC, b"t"), (DEAD_PARTITION, b"1"), (DEAD_OFFSET, b"1" * 99), (DEAD_TIME, b"1")],
        [(DEAD_REASON, b"x"), (DEAD_TOPIC, b"a b"), (DEAD_PARTITION, b"1"), (DEAD_OFFSET, b"1"), (DEAD_TIME, b"1")],
    ],
)
def test_what_is_no_letter_is_not_taken_for_one(headers: list[tuple[str, bytes | None]]) -> None:
    with pytest.raises(DataError, match="no_letter"):
        read(b"s1", b"{", headers)


@pytest.mark.parametrize(
    "text", ["", "3", "3:", ":17", "3:17:1", "-3:17", "a:b", " 3:17", "3:17\n", "\u0663:1", "3:" + "1" * 20]
)
def test_what_are_no_coordinates_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="PARTITION:OFFSET"):
        Coordinates.read(text)


def test_coordinates_are_read_as_they_are_written() -> None:
    assert Coordinates.read(str(Coordinates(3, 17))) == Coordinates(3, 17)
