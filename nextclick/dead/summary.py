"""The letters by reason: how many, since when, and one of each to look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from nextclick.dead.letterbox import Found
from nextclick.terminal import plain
from schemas.letter import Letter, Source


@dataclass(slots=True)
class Pile:
    """The letters of one reason."""

    #: Distinct records: a worker that was killed writes some letters twice.
    letters: int
    replayed: int
    cut: int
    first: int
    last: int
    #: The latest.
    example: str
    detail: str


class Summary:
    """Told of letters in any order."""

    def __init__(self) -> None:
        self.piles: dict[str, Pile] = {}
        self._seen: set[Source] = set()

    def add(self, found: Found, letter: Letter, *, replayed: bool) -> bool:
        """False for a copy of one that was told of before."""
        if letter.source in self._seen:
            return False
        self._seen.add(letter.source)
        when = found.happened
        pile = self.piles.setdefault(letter.reason, Pile(0, 0, 0, when, when, "", ""))
        pile.letters += 1
        pile.replayed += replayed
        pile.cut += letter.cut is not None
        pile.first = min(pile.first, when)
        if when >= pile.last:
            pile.last, pile.example, pile.detail = when, str(letter.source.coordinates), letter.detail
        return True

    @property
    def letters(self) -> int:
        return len(self._seen)

    def report(self) -> dict[str, object]:
        reasons = {
            reason: {
                "letters": pile.letters,
                "replayed": pile.replayed,
                "cut": pile.cut,
                "first": pile.first,
                "last": pile.last,
                "example": {"letter": pile.example, "detail": pile.detail},
            }
            for reason, pile in self._largest_first()
        }
        return {"letters": self.letters, "reasons": reasons}

    def table(self) -> Table:
        drawn = Table("reason", "letters", "replayed", "cut", "first", "last", "the latest", box=None, pad_edge=False)
        for column in drawn.columns[1:4]:
            column.justify = "right"
        for reason, pile in self._largest_first():
            counts = (str(pile.letters), str(pile.replayed), str(pile.cut))
            words = Text(plain(f"{pile.example}  {pile.detail}"))
            drawn.add_row(Text(plain(reason)), *counts, moment(pile.first), moment(pile.last), words)
        return drawn

    def _largest_first(self) -> list[tuple[str, Pile]]:
        return sorted(self.piles.items(), key=lambda entry: (-entry[1].letters, entry[0]))


def moment(ms: int) -> str:
    """In UTC; a time that no calendar has stays a number."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(ms)
