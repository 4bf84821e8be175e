"""How a replay of letters went, counted by the records they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Final

from nextclick.dead.fate import Fate
from nextclick.dead.parcel import CUT
from nextclick.terminal import plain
from schemas.errors import DataError
from schemas.letter import Coordinates, Letter

#: What is told also when there were none; the rest is rare.
_ALWAYS: Final = frozenset({Fate.FOLDED, Fate.LATE, Fate.DUPLICATE, Fate.WAITING})
_FATES: Final[dict[Fate, str]] = {
    Fate.FOLDED: "in their sessions",
    Fate.LATE: "more than 30 min old when they came to Kafka: in no session; the topic keeps them for training",
    Fate.DUPLICATE: "their sessions held them already",
    Fate.FORGOTTEN: "from before their session was erased",
    Fate.ERASED: "their sessions are erased, as they asked",
    Fate.STALE: "their sessions have come further under this topic epoch; unset NEXTCLICK_TOPIC_EPOCH",
    Fate.WAITING: "no worker has come so far; `nextclick session show` tells later",
}


@dataclass(slots=True)
class Refused:
    """The letters that stay for one reason, and the first of them."""

    letters: int
    example: str
    detail: str


@dataclass(slots=True)
class Tally:
    """Filled while a replay runs."""

    letters: int = 0
    sent: int = 0
    #: Left alone, because an earlier replay sent them back.
    before: int = 0
    refused: dict[str, Refused] = field(default_factory=dict)
    fates: Counter[Fate] = field(default_factory=Counter)
    #: Letters that were named and are none.
    missing: list[Coordinates] = field(default_factory=list)

    def refuse(self, letter: Letter, error: DataError) -> None:
        first = Refused(0, str(letter.source.coordinates), error.detail)
        self.refused.setdefault(error.reason, first).letters += 1

    @property
    def cut(self) -> int:
        return self.refused[CUT].letters if CUT in self.refused else 0

    @property
    def _bad(self) -> dict[str, Refused]:
        return {reason: refused for reason, refused in self.refused.items() if reason != CUT}

    def report(self, *, dry_run: bool) -> dict[str, object]:
        return {
            "dry_run": dry_run,
            "letters": self.letters,
            "sent": self.sent,
            **{fate.value: self.fates[fate] for fate in Fate},
            "replayed_before": self.before,
            "still_bad": {reason: asdict(refused) for reason, refused in self._bad.items()},
            "cut": self.cut,
            "missing": [str(coordinates) for coordinates in self.missing],
        }

    def lines(self, *, dry_run: bool) -> Iterator[str]:
        for name, count, words in self._rows(dry_run=dry_run):
            yield f"{name:<17}{count:<7}{words}".rstrip()

    def _rows(self, *, dry_run: bool) -> Iterator[tuple[str, int, str]]:
        yield "letters", self.letters, ""
        yield "would be sent" if dry_run else "sent back", self.sent, ""
        for fate, words in _FATES.items():
            if self.fates[fate] or (self.sent and fate in _ALWAYS):
                yield f"  {fate.value.replace('_', ' ')}", self.fates[fate], words
        if self.before:
            yield "replayed before", self.before, "--again sends them once more"
        if self._bad:
            bad = sum(refused.letters for refused in self._bad.values())
            yield "still bad", bad, "`nextclick dead list --lines` writes them out, to be mended"
        for reason, refused in self._bad.items():
            yield f"  {plain(reason)}", refused.letters, f"{refused.example}: {plain(refused.detail)}"
        if self.cut:
            yield "cut", self.cut, f"{self.refused[CUT].example}: {self.refused[CUT].detail}"

    def __str__(self) -> str:
        return f"{self.sent} letters were sent back"
