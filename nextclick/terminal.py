"""What every verb prints with: a console as wide as the terminal, and JSON."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
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
    print(json_text(json.dumps(report, indent=2, ensure_ascii=False)))


def json_text(text: str) -> str:
    """JSON that means the same and obeys no terminal: what is not printable can only stand within its strings."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text)


def plain(text: str) -> str:
    """Text from outside, in which nothing moves a terminal's cursor or turns its letters around."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def moment(ts: int) -> str:
    """Epoch milliseconds for a person."""
    return datetime.fromtimestamp(ts / 1000, UTC).isoformat(timespec="seconds")


def say(text: str) -> None:
    """A word to the person, past whatever reads standard output."""
    print(f"nextclick: {text}", file=sys.stderr, flush=True)
