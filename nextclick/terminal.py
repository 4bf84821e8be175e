"""What every verb prints with: a console as wide as the terminal, and JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import Final, NoReturn

from rich.console import Console

#: A pipe has no width of its own; COLUMNS may give it one. Programs read JSON.
_PIPE_WIDTH: Final = 100


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        """rich would end the program with 1; the command line knows better what a closed pipe means."""
        raise BrokenPipeError


def console(*, stderr: bool = False) -> Console:
    made = _Console(stderr=stderr, highlight=False)
    if made.is_terminal or os.environ.get("COLUMNS", "").isdigit():
        return made
    return _Console(stderr=stderr, highlight=False, width=_PIPE_WIDTH)


def say_json(report: object) -> None:
    json.dump(report, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def say(text: str) -> None:
    """A word to the person, past whatever reads standard output."""
    print(f"nextclick: {text}", file=sys.stderr, flush=True)
