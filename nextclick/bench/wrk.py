"""wrk, where it is installed: as many requests a second as a server answers."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nextclick.bench.visitors import Visitor
from schemas.errors import NextclickError

_CONNECTIONS: Final = 48
_SECONDS: Final = 8
_RATE: Final = re.compile(r"Requests/sec:\s+([0-9.]+)")
_FAILED: Final = re.compile(r"(?:Non-2xx or 3xx responses: |connect |read |write |timeout )(\d+)")


@dataclass(frozen=True, slots=True)
class Peak:
    per_s: float
    #: Answers other than 2xx and 3xx, and what failed on the way.
    failed: int


def is_there() -> bool:
    return shutil.which("wrk") is not None


def peak(address: str, found: Sequence[Visitor] = ()) -> Peak:
    """Every visitor in turn; without any, the address alone."""
    with tempfile.TemporaryDirectory(prefix="nextclick-bench-") as scratch:
        script = Path(scratch, "visitors.lua")
        script.write_text(_script(found), encoding="utf-8")
        command = [
            "wrk",
            "-t1",
            f"-c{_CONNECTIONS}",
            f"-d{_SECONDS}s",
            *(["-s", str(script)] if found else []),
            address,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS + 30, check=False)
    rate = _RATE.search(done.stdout)
    if rate is None:
        raise NextclickError(f"wrk said nothing of a rate: {done.stdout}{done.stderr}")
    return Peak(float(rate.group(1)), sum(map(int, _FAILED.findall(done.stdout))))


def _script(found: Sequence[Visitor]) -> str:
    made = ",\n".join(f'wrk.format("GET", "{each.path}", {{{_table(each.headers)}}})' for each in found)
    return (
        "local at, all = 0, nil\n"
        f"function init() all = {{{made}}} end\n"
        "function request() at = at % #all + 1; return all[at] end\n"
    )


def _table(headers: Mapping[str, str]) -> str:
    return ", ".join(f"[ [==[{name}]==] ] = [==[{value}]==]" for name, value in headers.items())
