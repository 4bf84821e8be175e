"""How a verb enters the grammar, so that all look and behave alike."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from schemas.settings import Settings

if TYPE_CHECKING:
    from training.catalogue import Catalogue
    from training.log import EventLog

    # The class is generic to type checkers only.
    Verbs = argparse._SubParsersAction[Any]  # noqa: SLF001 - argparse has no public name for it
    Flags = argparse.ArgumentParser | argparse._MutuallyExclusiveGroup  # noqa: SLF001 - nor for this
else:
    Verbs = Flags = argparse.Action

#: Epoch seconds reach this in the year 5138; milliseconds passed it in 1973.
_SECONDS_BELOW: Final = 10**11
#: Of epoch milliseconds: they reach the year 5138.
_DIGITS_MAX: Final = 14
#: More of anything nobody means, and sums of it fit what they are kept in.
_LARGEST: Final = 10**12
_SEED_MAX: Final = 2**32 - 1
#: What file systems take of a name, less what is put around it for what is made beside; and of a whole path.
_NAME_MAX_BYTES: Final = 240
_PATH_MAX_BYTES: Final = 4_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

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


def json_flag(flags: Flags) -> None:
    flags.add_argument("--json", action="store_true", help="print one JSON object instead of text for people")


def log_flags(parser: argparse.ArgumentParser) -> None:
    """What the verbs that read event logs share; `log_of` reads it."""
    flag = parser.add_argument
    flag(
        "events", nargs="+", type=path, metavar="EVENTS", help="event log: NDJSON, CSV, TSV or Parquet, or .gz/.xz/.zst"
    )
    flag(
        "--map", action="append", default=[], type=pair, metavar="FIELD=COLUMN", help="read a field from another column"
    )
    flag("--set", action="append", default=[], type=pair, metavar="FIELD=VALUE", help="fill a field with one value")
    layout = parser.add_mutually_exclusive_group()
    layout.add_argument(
        "--format", choices=("events", "sessions"), default="events", help="sessions: one a line, items between blanks"
    )
    layout.add_argument(
        "--samples", action="store_true", help="one prediction a line: the items before, a tab, the next item"
    )
    flag("--since", type=moment, metavar="T", help="only sessions that start at T or later (ISO-8601, or epoch)")
    flag("--until", type=moment, metavar="T", help="only sessions that start before T, and of them what is before T")
    flag("--dedupe", action="store_true", help="of the events of a session with the same event_id, take the first")
    flag("--idle", type=positive_real, metavar="SECONDS", help="a session also ends after so long without an event")


def log_of(arguments: argparse.Namespace) -> EventLog:
    """The event log that `log_flags` describe."""
    from training import log
    from training.choice import Choice
    from training.sequences import Layout

    layout = Layout.SAMPLES if arguments.samples else Layout(arguments.format)
    idle_ms = None if arguments.idle is None else round(arguments.idle * 1000)
    choice = Choice(arguments.since, arguments.until, arguments.dedupe, idle_ms)
    return log.read(arguments.events, dict(arguments.map), dict(arguments.set), layout, choice)


def log_words(arguments: argparse.Namespace) -> list[str]:
    """The words of a command line that describe that log."""
    words = [str(path) for path in arguments.events]
    words += [word for name, value in arguments.map for word in ("--map", f"{name}={value}")]
    words += [word for name, value in arguments.set for word in ("--set", f"{name}={value}")]
    words += ["--format", arguments.format] if arguments.format != "events" else []
    words += [f"--{switch}" for switch in ("samples", "dedupe") if getattr(arguments, switch)]
    cuts = {name: getattr(arguments, name) for name in ("since", "until")}
    words += [word for name, ms in cuts.items() if ms is not None for word in (f"--{name}", _written(ms))]
    return words if arguments.idle is None else [*words, "--idle", f"{arguments.idle:g}"]


def _written(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat()


def told_of_log(log: EventLog) -> None:
    """How the times were read and what was left out, once the log has been read: to the person, not to a pipe."""
    for name, clock in log.clocks.items():
        print(f"nextclick: {name}: times are {clock}", file=sys.stderr)
    if log.faults:
        print(f"nextclick: {log.faults.total()} rows were left out: {log.at_fault}", file=sys.stderr)


def told_of_catalogue(catalogue: Catalogue) -> None:
    """What was wrong in the items, once they have been read."""
    if catalogue.faults:
        faults = ", ".join(f"{reason} {count}" for reason, count in catalogue.faults.most_common())
        print(f"nextclick: in the catalogue were at fault: {faults}", file=sys.stderr)


def pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def moment(text: str) -> int:
    """Epoch milliseconds, from them, from seconds, or from ISO-8601; without a zone it is UTC."""
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX:
        return int(text) * (1000 if int(text) < _SECONDS_BELOW else 1)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 2014-09-29T03:00:00Z") from None
    return ((found if found.tzinfo else found.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)


def path(text: str) -> Path:
    """A path that a file can have and a message can name."""
    try:
        named = text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not UTF-8; rename the file") from None
    if len(named) > _PATH_MAX_BYTES or max(map(len, named.split(b"/"))) > _NAME_MAX_BYTES:
        raise argparse.ArgumentTypeError(f"{text[:40]!r}... is too long for the name of a file")
    return Path(text)


def session_id(text: str) -> str:
    import msgspec

    from schemas.wire import SessionId

    try:
        return msgspec.convert(text, SessionId)
    except msgspec.ValidationError:
        raise argparse.ArgumentTypeError(f"{text!r} is no session id: 1 to 128 of A-Z a-z 0-9 _ -") from None


def user_id(text: str) -> str:
    import msgspec

    from schemas.wire import Label

    try:
        return msgspec.convert(text, Label)
    except msgspec.ValidationError:
        raise argparse.ArgumentTypeError(f"{text!r} is no user id: 1 to 128 characters that print") from None


def positive(text: str) -> int:
    number = _whole(text)
    if not 1 <= number <= _LARGEST:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from 1 to {_LARGEST}")
    return number


def seed(text: str) -> int:
    number = _whole(text)
    if not 0 <= number <= _SEED_MAX:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from 0 to {_SEED_MAX}")
    return number


def _whole(text: str) -> int:
    """-1 for what is none, or longer than any that is meant."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST)) else -1


def positive_real(text: str) -> float:
    number = _real(text)
    if not 0 < number <= _LARGEST:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number above 0, at most {_LARGEST}")
    return number


def share(text: str) -> float:
    number = _real(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 up and below 1")
    return number


def real(text: str) -> float:
    number = _real(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 up")
    return number


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
