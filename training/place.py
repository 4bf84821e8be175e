"""The folder beside `--out` where a training keeps what it has begun, and which one training holds at a time.

    .NAME.training/holder       locked by the process that trains, whose number is in it
    .NAME.training/<begun>/     what an interrupted training goes on from; one of other flags has another
    .NAME.training/bundle/      being written, until one rename makes it NAME

A killed process holds no lock, so whoever gets it knows that the rest is nobody's any more.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from schemas.errors import BusyError, DiskError, PlaceError, UsageError

_PID_MAX: Final = 20


class Place:
    def __init__(self, out: Path) -> None:
        self.out: Final = out
        self.folder: Final = out.with_name(f".{out.name}.training")
        self._holder: Final = self.folder / "holder"
        self._staged: Final = self.folder / "bundle"

    @contextmanager
    def held(self) -> Iterator[None]:
        """BusyError when another process trains here."""
        descriptor = self._locked()
        try:
            shutil.rmtree(self._staged, ignore_errors=True)
            yield
        finally:
            # Gone before it is let go of: who waits for this very file finds that it is no longer there.
            self._holder.unlink(missing_ok=True)
            with suppress(OSError):  # there is something to go on from
                self.folder.rmdir()
            os.close(descriptor)

    def begun(self) -> bool:
        """Whether there is something to go on from."""
        return any(self.folder.glob("*/*.pt"))

    def publish(self, files: Mapping[str, bytes]) -> None:
        """All files under `out`, or none: a bundle appears there in one rename."""
        try:
            self._staged.mkdir()
            for name, data in files.items():
                _write(self._staged / name, data)
            self._staged.rename(self.out)
        except OSError as error:
            raise DiskError(f"{self.out} cannot be written: {error}; make room there and train again") from error
        finally:
            shutil.rmtree(self._staged, ignore_errors=True)

    def forget(self) -> None:
        """The bundle is out: nothing is left to go on from."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _locked(self) -> int:
        while True:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(self._holder, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except OSError as error:
                advice = "name an --out in a directory that can be written to"
                raise PlaceError(f"{self.out}: {error}; {advice}") from error
            if self._is_ours(descriptor):
                return descriptor
            os.close(descriptor)

    def _is_ours(self, descriptor: int) -> bool:
        """False when it was another's, who has gone and taken it away meanwhile."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink == 0:
                return False
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        except BlockingIOError:
            holder = os.pread(descriptor, _PID_MAX, 0).decode("ascii", "replace")
            os.close(descriptor)
            told = f"process {holder}" if holder.isdigit() else "another process"
            raise BusyError(f"{told} is training into {self.out}; wait for its end, or name another --out") from None
        except OSError as error:
            os.close(descriptor)
            raise PlaceError(f"{self._holder}: {error}; name an --out on a disk where files can be locked") from error
        return True


def untaken(out: Path) -> None:
    """UsageError when there is something already."""
    if os.path.lexists(out):
        raise UsageError(f"{out} exists, and a bundle is never overwritten; name another --out, or remove it")


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
