"""The command line: reads it, reads the settings, calls the verb, and turns every ending into an exit code.

    0 done   64 usage   65 bad data   69 a service is unreachable   70 internal
    73 a place cannot be written to   74 a disk is full or fails   75 somebody else is at it   78 bad configuration

Nothing but the standard library is imported before a verb runs, so that --help is instant.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import sys
import tomllib
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from nextclick import stops
from nextclick.verbs import (
    bench,
    bundle,
    catalog,
    dead,
    demo,
    doctor,
    evaluate,
    key,
    replay,
    sandbox,
    serve,
    session,
    stream,
    token,
    topics,
    train,
    user,
    validate,
)
from nextclick.verbs.declare import Verbs
from schemas.errors import DataError, NextclickError, SettingsError, UsageError
from schemas.settings import Settings

_DEFAULT_CONFIG: Final = Path("nextclick.toml")
_BUG_CODE: Final = 70
#: What a shell reports of a program that SIGPIPE ended.
_BROKEN_PIPE_CODE: Final = 141

#: What the extra `train` installs, and production does without.
_OF_TRAINING: Final = frozenset({"onnx", "onnxscript", "sklearn", "torch"})

_VERBS: Final = (
    demo,
    sandbox,
    doctor,
    topics,
    catalog,
    stream,
    serve,
    replay,
    validate,
    train,
    evaluate,
    bundle,
    session,
    user,
    key,
    token,
    dead,
    bench,
)


class _Parser(argparse.ArgumentParser):
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """What a verb does not know is refused by that verb, with its own usage, and not by the whole."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(UsageError.exit_code, f"nextclick: {message}; see `{self.prog} --help`\n")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib import metadata

        try:
            version = metadata.version("nextclick")
        except metadata.PackageNotFoundError:
            version = "(not installed)"
        print(f"nextclick {version}")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and answers its exit code."""
    try:
        with stops.raised():
            code = _run(argv)
            sys.stdout.flush()
            return code
    except NextclickError as error:
        return _told(error)
    except stops.Stopped as stop:
        return stop.exit_code
    except BrokenPipeError:
        # The reader left; what Python would flush at exit must not complain about it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE_CODE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            return _defect()
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"nextclick: {error}: the output is not whole; make room, or send it elsewhere", file=sys.stderr)
        return DataError.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except ModuleNotFoundError as error:
        return _missing(error)
    except Exception:  # noqa: BLE001 - the outermost edge: whatever was not foreseen is ours to mend
        return _defect()


def _told(error: NextclickError) -> int:
    """In words whatever stood in a file: no terminal obeys them, and no line of them passes for one of ours."""
    from nextclick.terminal import plain

    first, *others = str(error).split("\n")
    print(f"nextclick: {plain(first)}", *(f"    {plain(line)}" for line in others), sep="\n", file=sys.stderr)
    return error.exit_code


def _missing(error: ModuleNotFoundError) -> int:
    """A verb that trains, where nothing to train with is installed; anything else that is missing is our mistake."""
    if (error.name or "").partition(".")[0] not in _OF_TRAINING:
        return _defect()
    advice = "in a clone of nextclick, `pip install '.[train]'` installs what it takes"
    print(f"nextclick: {error.name} is not installed, and this verb needs it; {advice}", file=sys.stderr)
    return SettingsError.exit_code


def _defect() -> int:
    traceback.print_exc()
    print("nextclick: this is a defect of nextclick; please report it with the lines above", file=sys.stderr)
    return _BUG_CODE


def _run(argv: Sequence[str] | None) -> int:
    arguments = parser().parse_args(argv)
    settings = Settings.read(os.environ, _table(arguments.config))
    if settings.log_level != "debug":
        # What they warn of reaches the person as an error of ours, or they have mended it by themselves.
        for client in ("kafka", "aiokafka"):
            logging.getLogger(client).setLevel(logging.CRITICAL)
    code: int = arguments.run(arguments, settings)
    return code


def parser() -> argparse.ArgumentParser:
    """The whole grammar."""
    whole = _Parser(
        prog="nextclick",
        description="Real-time session recommendations: clicks enter Kafka, 30 ranked items leave.",
        epilog="Settings come from NEXTCLICK_* in the environment, or from a TOML file; the environment wins.",
    )
    whole.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    whole.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"TOML file of settings (default: {_DEFAULT_CONFIG}, if it is there)",
    )
    verbs: Verbs = whole.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True, parser_class=_Parser)
    for verb in _VERBS:
        verb.declare(verbs)
    return whole


def _table(config: Path | None) -> dict[str, Any]:
    if config is None and not _DEFAULT_CONFIG.exists():
        return {}
    path = config or _DEFAULT_CONFIG
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the settings file {path} cannot be read: {error}; name another one with --config"
        ) from None
