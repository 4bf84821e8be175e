"""A bundle appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from schemas.errors import DataError


def publish(files: Mapping[str, bytes], out: Path) -> None:
    """All files under `out`, or none: they are written beside it and appear there in one rename."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise DataError("unwritable", f"{out}: {error}; name an --out in a directory that can be written to") from error
    try:
        for name, data in files.items():
            _write(staged / name, data)
        staged.chmod(0o755)  # mkdtemp lets nobody else in
        staged.rename(out)
    except OSError as error:
        raise DataError("unwritable", f"{out}: {error}; make room there, or name another --out") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
