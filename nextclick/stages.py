"""The stages of long work, one after another, as the person who watches sees them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from nextclick.progress import Lines, bar
from nextclick.terminal import say


class Watched:
    """A bar for the stage that runs; the one before it is gone by then."""

    def __init__(self) -> None:
        self._shown = ExitStack()
        self._lines = Lines(time.monotonic, say)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.close()

    def stage(self, name: str) -> Callable[[int, int], None]:
        """Told how much is done, and of how much."""
        self._shown.close()
        advance, done = self._shown.enter_context(bar(name, "", self._lines)), 0

        def told(now: int, of: int) -> None:
            nonlocal done
            advance(now - done, of)
            done = now

        return told
