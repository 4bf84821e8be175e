"""A bar for the person who watches long work; nothing in a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from nextclick.terminal import console

_REDRAW_S: Final = 0.1

#: Told how much more has been done, and of how much in all.
Advance = Callable[[int, int], None]


@contextmanager
def bar(what: str, of: str) -> Iterator[Advance]:
    """`what` is being done to so many `of`."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield lambda more, total: None
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
