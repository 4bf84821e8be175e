"""Laws of showing a letter: nothing in it reaches a terminal but as text, and nothing of it is lost on the way."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import pytest

from nextclick.dead import mended
from nextclick.dead.letterbox import Found
from nextclick.dead.shown import json_line, lines
from schemas.letter import Coordinates, Letter, Source
from tests.worlds.histories import START_MS
from tests.worlds.payloads import payloads

SOURCE = Source("clickstream", 3, 17, START_MS)

#: A cleared screen, a new title, a one-byte CSI, letters turned around, a forged line, a bell.
HOSTILE = b"\x1b[2J\x1b]0;owned\x07 \xc2\x9b31m \xe2\x80\xaegpj.exe \r\nreplayed  yes\x00\x7f \xff\xfe"


def letter(value: bytes | None, key: bytes | None = b"s1", detail: str = "d", cut: str | None = None) -> Letter:
    return Letter(SOURCE, "invalid", detail, key, value, (("trace", HOSTILE),), cut)


def text(shown: Letter) -> list[str]:
    return list(lines(shown, [Found(shown, 0, 5, START_MS)], replayed=False))


def test_a_person_sees_why_and_where_from() -> None:
    said = "\n".join(text(letter(b'{"ts":1}', detail="ts is missing")))

    for words in ("3:17 of clickstream", "invalid", "ts is missing", "2023-11-14 22:13:20Z", "0:5", '{"ts":1}', "s1"):
        assert words in said


@pytest.mark.parametrize("where", ["value", "key", "detail", "cut"])
def test_a_hostile_letter_is_shown_as_text(where: str) -> None:
    shown = {
        "value": letter(HOSTILE),
        "key": letter(b"{", key=HOSTILE),
        "detail": letter(b"{", detail=HOSTILE.decode(errors="replace")),
        "cut": letter(b"{", cut=HOSTILE.decode(errors="replace")),
    }[where]

    assert all(line.isprintable() for line in text(shown))
    assert json_line(shown, replayed=False).isprintable()
    assert "\\x1b[2J" in "\n".join(text(shown))
    assert sum(line.startswith("replayed") for line in text(shown)) == 1


def test_a_letter_fills_no_screen_without_end() -> None:
    heavy = Letter(SOURCE, "invalid", "d" * 300, b"k" * 900_000, b"v" * 900_000, (("h" * 900, b"h" * 900),) * 99)

    said = "\n".join(text(heavy))

    assert len(said) < 20_000
    assert "895904 bytes more" in said


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b'{"ts":1,"ts":1e999}', {"ts": float("inf")}),
        (b'{\r\n\t"a": "\xd0\xb6\\n"\n}\n', {"a": "ж\n"}),
        (b'{"a":"\x7f\xc2\x9b"}', {"a": "\x7f\x9b"}),
        (b'{"a":NaN}', '{"a":NaN}'),
        (b"[1]", "[1]"),
        (b'"text"', '"text"'),
        (b"\xc2\x85 \xe2\x80\xa8", "\x85 \u2028"),
        (b"", ""),
        (None, None),
    ],
)
def test_a_line_says_the_value_as_json_where_it_is_an_object_and_else_as_text(
    value: bytes | None, told: object
) -> None:
    line = json_line(letter(value), replayed=True)

    found = json.loads(line)
    assert found["value"] == told
    assert (found["letter"], found["reason"], found["replayed"]) == ("3:17", "invalid", True)
    assert line.isprintable()


def test_bytes_that_are_no_text_are_told_in_base64() -> None:
    found = json.loads(json_line(letter(HOSTILE, key=b"\xff"), replayed=False))
    assert b64decode(found["value_base64"]) == HOSTILE
    assert b64decode(found["key_base64"]) == b"\xff"
    assert b64decode(found["headers"][0]["value_base64"]) == HOSTILE


def test_whatever_a_payload_is_it_comes_back_from_its_line_as_it_was(tmp_path: Path) -> None:
    """But for the space between the values of an object, which comes on one line."""
    file = tmp_path / "letters.ndjson"
    for payload in [*payloads(seed=7, count=2_000), HOSTILE, b'{\n"a": 1\n}']:
        line = json_line(letter(payload), replayed=False)
        assert line.isprintable()
        file.write_text(line + "\n", encoding="utf-8")

        (found,) = mended.read(file, []).values()

        assert found is not None
        if found != payload:
            assert json.loads(found, parse_float=str, parse_int=str) == json.loads(
                payload, parse_float=str, parse_int=str
            )


def test_the_line_of_a_null_value_gives_a_null_value(tmp_path: Path) -> None:
    file = tmp_path / "letters.ndjson"
    file.write_text(json_line(letter(None), replayed=False))
    assert mended.read(file, []) == {Coordinates(3, 17): None}
