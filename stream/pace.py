"""Whether ranking keeps up: how long a session takes, and so how long the last of those that wait would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

#: Within so long a session that waits is ranked, or the ranking is behind.
WITHIN_S: Final = 1.0
#: After so long a silence nobody is there to see a list: the session is ranked at its next click.
SILENT_MS: Final = 5 * 60_000
#: For so long the event loop may rank. Longer things are done beside it, where they take twice as long.
ON_THE_LOOP_S: Final = 0.05
#: What the newest batch counts in how long a session takes.
_NEWEST: Final = 0.2


class Pace:
    def __init__(self, clock: Callable[[], float], on_the_loop_s: float = ON_THE_LOOP_S) -> None:
        self._clock = clock
        self._on_the_loop_s = on_the_loop_s
        self._each_s = 0.0

    @contextmanager
    def ranking(self, sessions: int) -> Iterator[None]:
        """Around a batch, from the moment it is taken until its lists have their turn to be stored."""
        begun = self._clock()
        yield
        took_s = (self._clock() - begun) / sessions
        self._each_s = took_s if not self._each_s else (1 - _NEWEST) * self._each_s + _NEWEST * took_s

    def is_short(self, sessions: int) -> bool:
        """Ranked sooner than it is worth to have another thread do it. Of what was never done nobody knows."""
        return 0 < sessions * self._each_s <= self._on_the_loop_s

    def is_behind(self, waiting: int) -> bool:
        """Whoever comes last would wait for longer than is promised."""
        return waiting * self._each_s > WITHIN_S
