"""Compiled kernels: the one decorator that turns a function into machine code, and the place that keeps such code.

Kept code is run as it is found. It lies where nobody but this user can write; without such a place each process
compiles for itself, which costs it seconds and nothing else. Of several processes that begin at once on a new machine
one compiles a kernel, and the others wait for it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Final, ParamSpec, TypeVar, cast

from numba import config, njit
from numba.misc.appdirs import user_cache_dir

P = ParamSpec("P")
R = TypeVar("R")

#: All kernels together are a few MB. With less room than this, writing them could fail in the middle of an answer.
_ROOM_BYTES: Final = 64 * 2**20
_OTHERS_MAY_WRITE: Final = 0o022

#: No kernel takes so long: who has waited that long, for a frozen process perhaps, compiles for itself.
_LOOKS: Final = 1_000
_LOOK_S: Final = 0.02
#: Before any file: a thread that has numba's own lock must not wait for one that waits for that.
_THREADS: Final = threading.RLock()


def keep(base: Path) -> Path | None:
    """The directory below `base` for code made of these very sources; None where it would not be safe or not fit.

    numba sees when a kernel changes, but not when a kernel that it calls does: the name stands for all of them.
    """
    place = base / f"kernels-{_sources()}"
    try:
        for made in (base, place):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = made.stat()
            if found.st_uid != os.getuid() or found.st_mode & _OTHERS_MAY_WRITE:
                return None
        fits = os.access(place, os.W_OK | os.X_OK) and shutil.disk_usage(place).free >= _ROOM_BYTES
    except OSError:
        return None
    return place if fits else None


def _sources() -> str:
    """A hash of every file here that holds a kernel."""
    texts = [path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py"))]
    return sha256(b"".join(text for text in texts if b"@compiled" in text)).hexdigest()[:16]


def _base() -> Path:
    """Where NUMBA_CACHE_DIR says, else among the user's caches."""
    return Path(config.CACHE_DIR or user_cache_dir()) / "nextclick"


_PLACE: Final = keep(_base())


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The same function in machine code, made at its first call for the types it is called with.

    It runs without Python's lock, so it must be pure: what it is given and what it allocates, nothing shared.
    """
    kernel = njit(nogil=True, error_model="numpy")(function)
    if _PLACE is not None:
        chosen, config.CACHE_DIR = config.CACHE_DIR, str(_PLACE)
        try:
            kernel.enable_caching()
        finally:
            config.CACHE_DIR = chosen
        kernel.compile = _in_turn(kernel.compile, _PLACE / f"{function.__module__}.{function.__qualname__}.turn")
    return cast(Callable[P, R], kernel)


def _in_turn(compile_: Callable[P, R], file: Path) -> Callable[P, R]:
    """The same, which is asked for every new signature and looks for kept code first, by one process at a time."""

    def alone(*signature: P.args, **none: P.kwargs) -> R:
        with _THREADS, turn(file):
            return compile_(*signature, **none)

    return alone


@contextmanager
def turn(file: Path) -> Iterator[None]:
    """Nobody else is within who names this file, unless they have waited too long, or cannot wait at all."""
    with ExitStack() as held:
        with suppress(OSError):  # the place is gone, or it knows no locks
            _lock(held.enter_context(file.open("wb")))
        yield


def _lock(file: IO[bytes]) -> None:
    pause = threading.Event()
    for _ in range(_LOOKS):
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pause.wait(_LOOK_S)
    return None
