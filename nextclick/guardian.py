"""The guardian: a small process that starts servers for its owner and ends them when the owner is gone.

Run as a script by nextclick/servers.py. It imports the standard library only, so that it is up within
milliseconds, whatever is installed. It speaks one JSON object a line: a request on standard input, its
answer on standard output.

The owner may end in any way, SIGKILL included, and nothing may stay behind. Two signs tell its end:

  1. standard input closes: the kernel does that for every kind of death;
  2. our parent is another process: for when a forked child of the owner still holds the pipe open.

The guardian leads a session of its own, so that Ctrl-C and a closed terminal reach the owner only. The
servers are the guardian's children, so their ids are theirs for as long as it has not waited for them.
Their directory is made and removed here, hence also when the owner no longer can.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

_Servers = dict[str, "subprocess.Popen[bytes]"]

#: How long after the owner's end the second sign may go unnoticed.
_WATCH_S: Final = 0.25
#: A process that was sent SIGKILL and is still there after this is stuck in the kernel: nobody can help.
_REAP_S: Final = 5.0


def main(owner: int) -> None:
    _shield()
    directory = Path(tempfile.mkdtemp(prefix="nextclick-"))
    servers: _Servers = {}
    try:
        _say({"directory": str(directory)})
        for request in _requests(owner):
            _say(_answer(request, directory, servers))
    except BrokenPipeError:
        pass  # the owner left in the middle of an answer
    finally:
        for server in servers.values():
            _end(server)
        shutil.rmtree(directory, ignore_errors=True)


def _shield() -> None:
    """Only SIGTERM ends the guardian, and it still cleans up. Handlers, unlike SIG_IGN, are not inherited."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGTERM, _leave)


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)


def _say(answer: dict[str, object]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


def _requests(owner: int) -> Iterator[dict[str, Any]]:
    """The owner's requests until it says "end" or is gone."""
    pending = b""
    while True:
        readable, _, _ = select.select([0], [], [], _WATCH_S)
        if os.getppid() != owner:
            return
        if not readable:
            continue
        chunk = os.read(0, 65_536)
        if not chunk:
            return
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request["do"] == "end":
                return
            yield request


def _answer(request: dict[str, Any], directory: Path, servers: _Servers) -> dict[str, object]:
    name = request["name"]
    match request["do"]:
        case "start":
            try:
                servers[name] = _start(name, request["command"], request["environment"], directory)
            except OSError as error:
                return {"error": str(error)}
            return {"pid": servers[name].pid}
        case "signal":
            if servers[name].poll() is None:
                _signal(servers[name], request["signal"])
            return {"code": servers[name].poll()}
        case _:  # "poll"
            return {"code": servers[name].poll()}


def _start(name: str, command: list[str], environment: dict[str, str], directory: Path) -> subprocess.Popen[bytes]:
    home = directory / name
    home.mkdir(exist_ok=True)
    with (directory / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _signal(server: subprocess.Popen[bytes], number: int) -> None:
    """To the server's whole group, so that a child it forked (to save a snapshot, say) goes with it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(server.pid, number)


def _end(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        _signal(server, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(_REAP_S)


if __name__ == "__main__":
    main(int(sys.argv[1]))
