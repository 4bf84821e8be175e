"""Payloads that somebody mended, as `dead replay --mended` reads them.

Of one letter that is named, the file is the payload. Otherwise it holds a line a letter, as `dead list --lines`
writes them: `letter` says which, `value` (or `value_base64`) what it shall be; the other fields may stay or go.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from schemas.errors import DataError, UsageError
from schemas.letter import Coordinates

STDIN: Final = Path("-")

#: Which letter shall have which payload; None is a null value.
Mended = Mapping[Coordinates, bytes | None]


class _Line(Struct, frozen=True):
    letter: str
    value: Raw | UnsetType = UNSET
    value_base64: bytes | UnsetType = UNSET

    @property
    def payload(self) -> bytes | None:
        if isinstance(self.value_base64, bytes) and isinstance(self.value, UnsetType):
            return self.value_base64
        if isinstance(self.value, UnsetType):
            raise DataError("mended", "there is no `value`")
        raw = bytes(self.value)
        if raw == b"null":
            return None
        # Text is the payload itself; anything else is the JSON that it shall be.
        return msgspec.json.decode(raw, type=str).encode() if raw.startswith(b'"') else raw


def read(file: Path, named: Collection[Coordinates]) -> Mended:
    """UsageError when there is no such file, DataError when it is not as it should be."""
    if len(named) > 1:
        raise UsageError("--mended goes with one letter, whose payload the file is, or none: its lines name theirs")
    try:
        content = sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}; name a file of payloads, or - for standard input") from error
    return dict.fromkeys(named, content) or _lines(content.splitlines(), str(file))


def _lines(lines: Iterable[bytes], file: str) -> Mended:
    mended: dict[Coordinates, bytes | None] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = msgspec.json.decode(line, type=_Line)
            letter, payload = Coordinates.read(found.letter), found.payload
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, DataError) as error:
            advice = "`nextclick dead list --lines` shows how lines are"
            raise DataError("mended", f"line {number} of {file}: {error}; {advice}") from None
        if letter in mended:
            raise DataError("mended", f"line {number} of {file}: the letter {letter} has a line already; keep one")
        mended[letter] = payload
    return mended
