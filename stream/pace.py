"""Whether ranking keeps up, and whether it has to give way.

How long a session takes tells how long the last of those that wait would. And while clicks are folded that came long
ago, because nobody was there to fold them, a list made now is made anew in a moment: then the fold comes first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Final

#: Within so long a session that waits is ranked, or the ranking is behind.
WITHIN_S: Final = 1.0
#: After so long a silence nobody is there to see a list: the session is ranked at its next click.
SILENT_MS: Final = 5 * 60_000
#: For so long the event loop may rank. Longer things are done beside it, where they take twice as long.
ON_THE_LOOP_S: Final = 0.1
#: What is folded so long after it came is a backlog.
_BACKLOG_MS: Final = 10_000
#: So many times as long as it ranked, ranking then rests, unless the backlog ends before.
_REST: Final = 4
#: Between two looks whether that is so still.
_LOOK_S: Final = 0.02
#: What the newest batch counts in how long a session takes.
_NEWEST: Final = 0.2


class Pace:
    def __init__(self, clock: Callable[[], float], on_the_loop_s: float = ON_THE_LOOP_S) -> None:
        self._clock = clock
        self._on_the_loop_s = on_the_loop_s
        self._each_s = self._made_s = 0.0
        self._backlog_until_s = self._rest_until_s = -inf

    @contextmanager
    def ranking(self, sessions: int) -> Iterator[None]:
        """Around a batch, from the moment it is taken until its lists have their turn to be stored."""
        begun = self._clock()
        yield
        ended = self._clock()
        self._rest_until_s = ended + _REST * (ended - begun)
        self._each_s = _mean(self._each_s, (ended - begun) / sessions)

    @contextmanager
    def making(self, sessions: int) -> Iterator[None]:
        """Around a batch while its lists are made, wherever that is; what they wait for then is not the ranker's."""
        begun = self._clock()
        yield
        self._made_s = _mean(self._made_s, (self._clock() - begun) / sessions)

    def is_short(self, sessions: int) -> bool:
        """Ranked sooner than it is worth to have another thread do it. Of what was never done nobody knows."""
        return 0 < sessions * self._made_s <= self._on_the_loop_s

    def folded(self, age_ms: int) -> None:
        """How old the newest click of a batch is. Unless another follows within a second, a backlog is at its end."""
        self._backlog_until_s = self._clock() + WITHIN_S if age_ms > _BACKLOG_MS else -inf

    @property
    def gives_way(self) -> bool:
        return self._clock() < min(self._backlog_until_s, self._rest_until_s)

    async def rest(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """As long as the fold needs the processor more."""
        while self.gives_way:
            await sleep(_LOOK_S)

    def is_behind(self, waiting: int) -> bool:
        """Whoever comes last would wait for longer than is promised."""
        return waiting * self._each_s > WITHIN_S


def _mean(before: float, newest: float) -> float:
    return newest if not before else (1 - _NEWEST) * before + _NEWEST * newest
