"""Servers that end with the process that started them, however that process ends.

`Guardian` is the owner's handle on the guardian process (nextclick/guardian.py); `Server` is one server
under it. Both are safe to use from several threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from nextclick import guardian
from schemas.errors import ServiceError

LOOPBACK: Final = "127.0.0.1"

#: Below the ports that systems hand out for outgoing connections: a client that keeps dialling a server
#: which is down can otherwise be given that very port, and keep the server from coming back.
_PORTS: Final = range(15_000, 32_000)
_PORT_TRIES: Final = 100
_START_TRIES: Final = 5
_POLL_S: Final = 0.02
_ANSWER_S: Final = 10.0
_KILL_S: Final = 10.0
_LAST_LINES: Final = 15

_Started = TypeVar("_Started")


class Guardian:
    """Starts servers and guarantees their end; `close` (or leaving the `with` block) ends them all."""

    directory: Path

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending = b""
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__, str(os.getpid())],
            stdin=theirs_in,
            stdout=theirs_out,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._open = True
        try:
            self.directory = Path(self._read()["directory"])
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Server:
        """One server, in the directory `directory / name`. It inherits nothing of our environment but the PATH."""
        given = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.directory / name), **(environment or {})}
        answer = self.ask(do="start", name=name, command=[str(part) for part in command], environment=given)
        if "error" in answer:
            raise ServiceError(
                f"{name} does not start: {answer['error']}; check that {command[0]} runs on this machine"
            )
        return Server(self, name, answer["pid"])

    def ask(self, **request: object) -> dict[str, Any]:
        try:
            with self._lock:
                self._write(request)
                return self._read()
        except BaseException:
            # An answer that was not read would be taken for the answer to the next question.
            self.close()
            raise

    def close(self) -> None:
        """Ends every server and waits for it. Interrupted, it leaves at once: the guardian goes on alone."""
        if not self._open:
            return
        self._open = False
        # The word, not only the closed pipe: a forked child of ours may hold the pipe open too.
        with contextlib.suppress(OSError):
            os.write(self._to, b'{"do": "end"}\n')
        os.close(self._to)
        os.close(self._from)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILL_S)

    def _write(self, request: Mapping[str, object]) -> None:
        if not self._open:
            raise ServiceError("the servers have already been ended; start them anew")
        try:
            os.write(self._to, json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise ServiceError("the process that watches over the servers is gone; start them anew") from error

    def _read(self) -> dict[str, Any]:
        deadline = time.monotonic() + _ANSWER_S
        answer_of = select.poll()  # select itself knows no file above number 1,023, of which a large process has many
        answer_of.register(self._from, select.POLLIN)
        while b"\n" not in self._pending:
            readable = answer_of.poll(max(0.0, deadline - time.monotonic()) * 1_000)
            chunk = os.read(self._from, 65_536) if readable else b""
            if not chunk:
                raise ServiceError("the process that watches over the servers does not answer; start them anew")
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(frozen=True, slots=True)
class Server:
    """One running (or ended) server process."""

    guardian: Guardian
    name: str
    pid: int

    def exit_code(self) -> int | None:
        """None while it runs."""
        code: int | None = self.guardian.ask(do="poll", name=self.name)["code"]
        return code

    def signal(self, number: int) -> None:
        self.guardian.ask(do="signal", name=self.name, signal=int(number))

    def kill(self) -> None:
        self.end(signal.SIGKILL, _KILL_S)

    def end(self, number: int, timeout_s: float) -> None:
        """Sends the signal and waits until the process is gone."""
        self.signal(number)
        deadline = time.monotonic() + timeout_s
        while self.exit_code() is None:
            if time.monotonic() > deadline:
                raise ServiceError(f"{self.name} is still there {timeout_s:g} s after signal {number}; kill {self.pid}")
            time.sleep(_POLL_S)

    def last_lines(self) -> str:
        log = self.guardian.directory / f"{self.name}.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join(lines[-_LAST_LINES:]) or "(it said nothing)"

    def await_ready(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Returns once `ready()`; ServiceError, with what the server said last, when it ends or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            code = self.exit_code()
            if code is not None:
                raise self._early_end(code)
            if time.monotonic() > deadline:
                raise ServiceError(f"{self.name} does not answer after {timeout_s:g} s; it said:\n{self.last_lines()}")
            time.sleep(_POLL_S)

    def _early_end(self, code: int) -> ServiceError:
        said = self.last_lines()
        kind = PortTaken if "ddress" in said and "in use" in said else ServiceError
        return kind(f"{self.name} ended at its start with code {code}; it said:\n{said}")


class PortTaken(ServiceError):
    """A server that ended because somebody else listens on its port."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on, right now."""
    for _ in range(_PORT_TRIES):
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port
    raise ServiceError(f"no free port from {_PORTS.start} to {_PORTS.stop}; end some of what listens there")


def on_free_port(start: Callable[[int], _Started]) -> _Started:
    """What `start` makes of a free port; of another one when that is lost between choosing and binding."""
    for _ in range(_START_TRIES - 1):
        with contextlib.suppress(PortTaken):
            return start(free_port())
    return start(free_port())
