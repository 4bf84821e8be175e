"""A dead letter: a record of the clickstream that was no event, as stream/dead.py wrote it down.

The headers that say why and where from stand behind those that the record itself carried, so what a
hostile record claims in headers of the same names is never read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from schemas.errors import DataError
from schemas.topics import DEAD_CUT, DEAD_OFFSET, DEAD_PARTITION, DEAD_REASON, DEAD_TIME, DEAD_TOPIC

#: What is never sent with a letter's record: the marks of the letter itself.
MARKS: Final = frozenset({DEAD_REASON, DEAD_TOPIC, DEAD_PARTITION, DEAD_OFFSET, DEAD_TIME, DEAD_CUT})

_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")
_COORDINATES: Final = re.compile(r"([0-9]{1,9}):([0-9]{1,19})")


class Coordinates(NamedTuple):
    """Where a record lay in the clickstream, which is how people name its letter: 3:17."""

    partition: int
    offset: int

    @classmethod
    def read(cls, text: str) -> Coordinates:
        found = _COORDINATES.fullmatch(text)
        if found is None:
            raise DataError("coordinates", f"{text[:40]!r} is not PARTITION:OFFSET, like 3:17")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Source:
    """Which record it was. Its time tells it from one that lay there before its topic was made anew."""

    topic: str
    partition: int
    offset: int
    time: int

    @property
    def coordinates(self) -> Coordinates:
        return Coordinates(self.partition, self.offset)


@dataclass(frozen=True, slots=True)
class Letter:
    """The record, whole unless it says `cut`, and why it was refused."""

    source: Source
    reason: str
    detail: str
    key: bytes | None
    value: bytes | None
    #: Those that the record carried itself; a null value among them is empty here.
    headers: tuple[tuple[str, bytes], ...] = ()
    #: How many bytes key and value had, where not all could be kept.
    cut: str | None = None


def read(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> Letter:
    """The letter in a record of the dead-letter topic, or DataError when it is none."""
    names = [name for name, _ in headers]
    if DEAD_REASON not in names:
        raise DataError("no_letter", f"the record has no header {DEAD_REASON}")
    at = len(names) - 1 - names[::-1].index(DEAD_REASON)
    marks = {name: (text or b"").decode(errors="replace") for name, text in headers[at:]}
    reason, _, detail = marks[DEAD_REASON].partition(": ")
    source = Source(
        _matching(_TOPIC, marks, DEAD_TOPIC),
        int(_matching(_NUMBER, marks, DEAD_PARTITION)),
        int(_matching(_NUMBER, marks, DEAD_OFFSET)),
        int(_matching(_NUMBER, marks, DEAD_TIME)),
    )
    return Letter(source, reason, detail, key, value, tuple(_own(headers[:at])), marks.get(DEAD_CUT))


def _matching(pattern: re.Pattern[str], marks: dict[str, str], name: str) -> str:
    text = marks.get(name, "")
    if not pattern.fullmatch(text):
        raise DataError("no_letter", f"the header {name} of the record says {text[:40]!r}")
    return text


def _own(headers: Sequence[tuple[str, bytes | None]]) -> Iterator[tuple[str, bytes]]:
    """Without the marks of an earlier letter, which a record has when somebody else's tool sent that letter back."""
    return ((name, value or b"") for name, value in headers if name not in MARKS)
