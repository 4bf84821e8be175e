"""How far up the dead-letter topic everything was sent back. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from nextclick.dead.letterbox import Found
from schemas.letter import Source


class Tide:
    """Told of a topic's records from its beginning on; it stops at the first letter that is still to be sent back."""

    def __init__(self, marks: Mapping[int, int]) -> None:
        #: Partition -> the offset below which every letter was sent back.
        self.marks = dict(marks)
        self._stopped: set[int] = set()

    def rise(self, batch: Iterable[Found], is_back: Callable[[Source], bool]) -> bool:
        """Whether a mark has moved."""
        before = dict(self.marks)
        for found in batch:
            if found.offset < self.marks[found.partition] or found.partition in self._stopped:
                continue
            if found.letter is None or is_back(found.letter.source):
                self.marks[found.partition] = found.offset + 1
            else:
                self._stopped.add(found.partition)
        return self.marks != before
