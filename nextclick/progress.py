"""A bar for the person who watches long work; in a pipe a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from nextclick.terminal import console, say

_REDRAW_S: Final = 0.1
#: Between two lines, and before the first: what is done sooner has nothing to say.
_LINE_EVERY_S: Final = 10.0

#: Told how much more has been done, and of how much in all.
Advance = Callable[[int, int], None]


class Lines:
    """How far work is, in plain lines, for a log that somebody reads later."""

    def __init__(self, clock: Callable[[], float], say: Callable[[str], None]) -> None:
        self._clock: Final = clock
        self._say: Final = say
        self._said_s = clock()

    def of(self, what: str, of: str) -> Advance:
        """Another stage begins."""
        done = 0
        self._now_and_then(what)

        def advance(more: int, total: int) -> None:
            nonlocal done
            done += more
            self._now_and_then(f"{what}: {done:,} of {total:,} {of}".rstrip())

        return advance

    def _now_and_then(self, line: str) -> None:
        if self._clock() - self._said_s >= _LINE_EVERY_S:
            self._said_s = self._clock()
            self._say(line)


@contextmanager
def bar(what: str, of: str, lines: Lines | None = None) -> Iterator[Advance]:
    """`what` is being done to so many `of`; where there is no terminal, `lines` go on from the stage before."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield (lines or Lines(time.monotonic, say)).of(what, of)
        return
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn(of), TimeElapsedColumn())
    # What a verb prints meanwhile is its result, and goes where the person sent it rather than above the bar.
    with Progress(*columns, console=screen, transient=True, redirect_stdout=False) as drawn:
        task, done, drawn_s = drawn.add_task(what, total=None), 0, 0.0

        def advance(more: int, total: int) -> None:
            nonlocal done, drawn_s
            done += more
            if time.monotonic() - drawn_s > _REDRAW_S:
                drawn_s = time.monotonic()
                drawn.update(task, completed=done, total=total)

        yield advance
