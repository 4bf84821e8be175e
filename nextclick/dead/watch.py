"""Follows events that were sent until the workers have taken them, or no longer get on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from nextclick.dead.fate import Fate, Sent, foresee, seen
from nextclick.dead.ledger import Ledger
from schemas.session import Record, State

_LOOK_S: Final = 0.1


class Watch:
    """Over one replay."""

    def __init__(self, ledger: Ledger, wait_s: float) -> None:
        self._ledger = ledger
        self._wait_s = wait_s
        self._waiting: list[Sent] = []
        self._has_patience = True
        self.fates: Counter[Fate] = Counter()

    def follow(self, before: Mapping[str, State], records: Iterable[Record]) -> None:
        """Returns when all are taken, or once none was for `wait_s`; after that, at once."""
        self._waiting += foresee(before, records)
        taken_s = time.monotonic()
        while self._has_patience and self._waiting:
            if self._look():
                taken_s = time.monotonic()
            elif time.monotonic() - taken_s > self._wait_s:
                self._has_patience = False
            else:
                time.sleep(_LOOK_S)

    def end(self) -> Counter[Fate]:
        """The fates of all, after a last look."""
        self._look()
        return self.fates + Counter({Fate.WAITING: len(self._waiting)})

    def _look(self) -> bool:
        """Whether any event was taken since the last look."""
        after = self._ledger.states({sent.record.event.session_id for sent in self._waiting})
        waiting, self._waiting = self._waiting, []
        for sent in waiting:
            fate = seen(sent, after[sent.record.event.session_id])
            if fate is None:
                self._waiting.append(sent)
            else:
                self.fates[fate] += 1
        return len(self._waiting) < len(waiting)
