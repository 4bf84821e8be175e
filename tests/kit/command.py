"""The command line as its users run it: a process, its output, its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_TIMEOUT_S: Final = 90.0


def nextclick(
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    timeout_s: float = _TIMEOUT_S,
) -> subprocess.CompletedProcess[str]:
    """One command, run to its end."""
    return subprocess.run(
        _command(arguments),
        cwd=cwd,
        env=_environment(environment or {}),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def started(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """One command, running; the caller ends it."""
    return subprocess.Popen(
        _command(arguments),
        cwd=ROOT,
        env=_environment(environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _command(arguments: tuple[str | Path, ...]) -> list[str | Path]:
    return [sys.executable, "-m", "nextclick", *arguments]


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Nothing that the person at this machine has set for their own nextclick."""
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("NEXTCLICK_")}
    return {**theirs, "PYTHONPATH": str(ROOT), **ours}
