"""A folder of bundles, and which of them is in service.

    FOLDER/<name>/      a bundle; its name is for people and begins with no dot, its version is in its manifest
    FOLDER/current      link to the one in service
    FOLDER/previous     link to the one that was in service before it

A link changes by one rename of a fresh one, so whoever follows it finds the old bundle or the new, and never none.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.bundle import Manifest
from schemas.errors import BundleError, UsageError
from serving.state import bundles
from serving.state.bundles import CURRENT

PREVIOUS: Final = "previous"


@dataclass(frozen=True, slots=True)
class Change:
    """What was in service, None where nothing was, and what is."""

    was: str | None
    now: str
    manifest: Manifest


def activate(folder: Path, bundle: str) -> Change:
    """Puts a bundle of the folder, by its name or its version, into service once it is verified."""
    with _changing(folder):
        return _switch(folder, _named(folder, bundle))


def rollback(folder: Path) -> Change:
    """Puts back what was in service before; a second time, what was rolled back."""
    with _changing(folder):
        before = _target(folder / PREVIOUS)
        if before is None or before == _target(folder / CURRENT):
            raise BundleError("missing", f"{folder} has no bundle to go back to; name one to `bundle activate`")
        return _switch(folder, _named(folder, before))


def _switch(folder: Path, name: str) -> Change:
    manifest, _ = bundles.verify(folder / name)
    was = _target(folder / CURRENT)
    if was != name:
        # In this order: a crash in between forgets what was in service before, and changes nothing else.
        if was is not None:
            _point(folder / PREVIOUS, was)
        _point(folder / CURRENT, name)
    return Change(was, name, manifest)


def split(directory: Path) -> tuple[Path, str]:
    """The folder of a bundle's directory, and the bundle's name there."""
    whole = Path(os.path.abspath(directory))
    return whole.parent, whole.name


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    """One change at a time, and each on disk before the next."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}; name a folder that holds bundles") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    except OSError as error:
        raise BundleError("unwritable", f"{folder}: {error.strerror}; links must be allowed there") from error
    finally:
        os.close(descriptor)


def _named(folder: Path, bundle: str) -> str:
    if bundle != os.path.basename(bundle) or bundle in ("", CURRENT, PREVIOUS) or bundle.startswith("."):
        raise UsageError(f"{bundle!r} is no name of a bundle in {folder}")
    if (folder / bundle).is_dir():
        return bundle
    for directory in sorted(folder.iterdir()):
        with suppress(BundleError):  # whatever else lies there
            if _is_published(directory) and bundles.read_manifest(directory).version == bundle:
                return directory.name
    raise BundleError("missing", f"{folder} has no bundle {bundle}; copy its directory there first")


def _is_published(directory: Path) -> bool:
    """A name that begins with a dot is of something under way, or of what a killed training left."""
    return not directory.is_symlink() and not directory.name.startswith(".")


def _target(link: Path) -> str | None:
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return None


def _point(link: Path, name: str) -> None:
    fresh = link.with_name(f".{link.name}.{secrets.token_hex(8)}")
    os.symlink(name, fresh)
    try:
        os.replace(fresh, link)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
