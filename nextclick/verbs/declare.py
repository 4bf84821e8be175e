"""How a verb enters the grammar, so that all look and behave alike."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.settings import Settings

if TYPE_CHECKING:
    from training.log import EventLog

    # The class is generic to type checkers only.
    Verbs = argparse._SubParsersAction[Any]  # noqa: SLF001 - argparse has no public name for it
else:
    Verbs = argparse.Action

Run = Callable[[argparse.Namespace, Settings], int]


def verb(verbs: Verbs, name: str, says: str, *, run: Run | None, example: str) -> argparse.ArgumentParser:
    """One verb, with --config also behind it, where people look for it. Without `run` it has verbs of its own."""
    made: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=says,
        description=says[0].upper() + says[1:] + ".",
        epilog="example:\n  " + "\n  ".join(example.splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if run is not None:
        made.add_argument(
            "--config", type=Path, metavar="FILE", default=argparse.SUPPRESS, help="TOML file of settings"
        )
        made.set_defaults(run=run)
    return made


def json_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text for people")


def log_flags(parser: argparse.ArgumentParser) -> None:
    """What the verbs that read event logs share."""
    parser.add_argument(
        "events", nargs="+", type=Path, metavar="EVENTS", help="event log: NDJSON, CSV or TSV, or .gz/.xz"
    )
    parser.add_argument(
        "--map", action="append", default=[], type=pair, metavar="FIELD=COLUMN", help="read a field from another column"
    )
    parser.add_argument(
        "--set", action="append", default=[], type=pair, metavar="FIELD=VALUE", help="fill a field with one value"
    )


def told_of_log(log: EventLog) -> None:
    """How the times were read and what was left out, once the log has been read: to the person, not to a pipe."""
    for name, clock in log.clocks.items():
        print(f"nextclick: {name}: times are {clock}", file=sys.stderr)
    if log.faults:
        faults = ", ".join(f"{reason} {count}" for reason, count in log.faults.most_common())
        print(f"nextclick: {log.faults.total()} rows were left out: {faults}", file=sys.stderr)


def pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return number


def positive_real(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number
