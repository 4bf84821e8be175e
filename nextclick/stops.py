"""Ctrl-C and SIGTERM as one exception, once; whoever asks a second time is obeyed at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
#: A shell reports a program that a signal ended as this plus the signal's number.
_SIGNAL_CODE: Final = 128


class Stopped(KeyboardInterrupt):
    """Somebody wants this program to end. Cleaning up is allowed; a second signal cuts it short."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = _SIGNAL_CODE + number


@contextmanager
def raised() -> Iterator[None]:
    """Inside the block the first signal raises Stopped in the main thread; the next one kills."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        # A shell starts what it puts in the background with SIGINT ignored; that is to stay so.
        if before[number] != signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in _SIGNALS:
            signal.signal(number, before[number])


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    raise Stopped(number)
