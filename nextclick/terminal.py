"""What every verb prints with: a console that wraps nothing in a pipe, and JSON."""

from __future__ import annotations

import json
import sys
from typing import NoReturn

from rich.console import Console

#: A pipe has no width; wrapping what a program will read would be worse than a long line.
_PIPE_WIDTH = 1_000


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        """rich would end the program with 1; the command line knows better what a closed pipe means."""
        raise BrokenPipeError


def console(*, stderr: bool = False) -> Console:
    made = _Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else _Console(stderr=stderr, highlight=False, width=_PIPE_WIDTH)


def say_json(report: object) -> None:
    json.dump(report, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def say(text: str) -> None:
    """A word to the person, past whatever reads standard output."""
    print(f"nextclick: {text}", file=sys.stderr, flush=True)
