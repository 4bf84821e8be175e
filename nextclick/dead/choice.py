"""Which letters are meant."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from nextclick.dead.letterbox import Found
from schemas.letter import Coordinates, Letter


@dataclass(frozen=True, slots=True)
class Choice:
    """By the records they were, or by reason and time; without any of these, all."""

    reason: str | None = None
    #: Epoch ms.
    since: int | None = None
    named: Collection[Coordinates] | None = None

    def of(self, found: Found) -> Letter | None:
        """The letter that was found, where it is meant."""
        letter = found.letter
        if letter is None or (self.named is not None and letter.source.coordinates not in self.named):
            return None
        meant = self.reason in (None, letter.reason) and found.happened >= (self.since or 0)
        return letter if meant else None
