"""Bundles on disk: a directory becomes a ranker, or is refused with the file at fault and what to do.

1. The manifest is read, checked against its own sha256, and then only what it names.
2. Every file is mapped, and its size and sha256 are checked through the very mapping that is used.
3. They are unpacked: shapes, types, ranges. What can stay in the mapping stays there.
4. The golden sessions are ranked, and must be answered as they were when the bundle was made.

A mapping is read-only and shared, so that a second process on the same bundle costs no second copy. It is also
the file itself: whoever cuts a mapped file off kills the process (SIGBUS), and whoever writes into it changes what
was verified. Nobody may do either, nor need to: a bundle is published by one rename, its files never change after
it, and another bundle is another directory. Removing or replacing the directory is harmless, since what is mapped
lives on. A copy that is still under way is caught at 2: its files are shorter than their manifest says.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

from schemas.bundle import MANIFEST, File, Manifest, decode
from schemas.errors import BundleError
from serving.ranking import bundle, golden
from serving.ranking.bundle import Bundle
from serving.ranking.ranker import Ranker

#: In a folder of bundles, the link to the one in service.
CURRENT: Final = "current"

#: Sixteen sessions and a hundred hashes weigh a few tens of KB, an evaluation no more.
_MANIFEST_MAX_BYTES: Final = 1024 * 1024
_REMEDY: Final = "Copy the bundle again from where it was made, or make one with `nextclick train`"


#: Where a bundle lies and what its files were when last touched: another bundle, or a mended one, has another.
Mark = tuple[Path, frozenset[tuple[str, int, int, int]]]


def load(place: Path) -> Ranker:
    """The ranker at `place`, every byte of it verified; BundleError says what is wrong."""
    return verify(place)[1].ranker


def verify(place: Path) -> tuple[Manifest, Bundle]:
    """All that is in the bundle, and what it says of itself."""
    with _refusing(place):
        directory = _locate(place)
        manifest = _manifest(directory)
        files = {name: _verified(directory / name, claim) for name, claim in sorted(manifest.files.items())}
        for name, claim in sorted(manifest.documents.items()):
            _verified(directory / name, claim)
        found = bundle.unpack(files, manifest.files)
        ranker = found.ranker
        if (ranker.version, ranker.counts_version) != (manifest.version, manifest.counts_version):
            raise BundleError("version", f"{MANIFEST} says {manifest.version}, but its files are {ranker.version}")
        found.check_graphs()
        golden.check(ranker, manifest.golden)
    return manifest, found


def read_manifest(place: Path) -> Manifest:
    """What the bundle says of itself: as it was made, but its files not looked at."""
    with _refusing(place):
        return _manifest(_locate(place))


def look(place: Path) -> Mark:
    """What is at `place` now: cheap enough to be asked several times a second."""
    with _refusing(place):
        directory = _locate(place)
        try:
            with os.scandir(directory) as entries:
                return directory, frozenset(_touched(entry) for entry in entries)
        except OSError as error:
            raise BundleError("unreadable", error.strerror or str(error)) from error


def _touched(entry: os.DirEntry[str]) -> tuple[str, int, int, int]:
    told = entry.stat()
    return entry.name, told.st_ino, told.st_size, told.st_ctime_ns


def _locate(place: Path) -> Path:
    """The bundle's own directory, whether `place` is it or a folder of bundles; no link is left in the path.

    What a link led to is then loaded whole, wherever the link leads meanwhile.
    """
    try:
        if (place / MANIFEST).exists():
            return place.resolve(strict=True)
        if (place / CURRENT).is_symlink():
            return (place / CURRENT).resolve(strict=True)
        if any(not each.parent.name.startswith(".") for each in place.glob(f"*/{MANIFEST}")):
            raise BundleError("missing", "none of its bundles is in service: name one to `nextclick bundle activate`")
        return place.resolve(strict=True)
    except FileNotFoundError:
        raise BundleError("missing", "no such directory") from None
    except OSError as error:
        raise BundleError("unreadable", error.strerror or str(error)) from error


@contextmanager
def _refusing(place: Path) -> Iterator[None]:
    """Every refusal names the bundle and what to do."""
    try:
        yield
    except BundleError as error:
        raise BundleError(error.reason, f"{place}: {error.detail}. {_REMEDY}") from None


def _manifest(directory: Path) -> Manifest:
    if not directory.is_dir():
        raise BundleError("missing", "no such directory")
    return decode(bytes(_mapped(directory / MANIFEST, range(_MANIFEST_MAX_BYTES + 1))))


def _verified(path: Path, claim: File) -> memoryview:
    view = _mapped(path, range(claim.bytes, claim.bytes + 1))
    if sha256(view).hexdigest() != claim.sha256:
        raise BundleError("altered", f"{path.name} is not what its manifest says: the sha256 differs")
    return view


def _mapped(path: Path, sizes: range) -> memoryview:
    """The file, which must have one of these sizes, mapped for as long as anything looks at the view."""
    try:
        # Not even opening may wait: in the place of a file there could be a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise BundleError("missing", f"{path.name} is not in the bundle") from None
    except OSError as error:
        raise BundleError("unreadable", f"{path.name}: {error.strerror}") from error
    try:
        told = os.fstat(descriptor)
        if not stat.S_ISREG(told.st_mode):
            raise BundleError("unreadable", f"{path.name} is not a file")
        if told.st_size not in sizes:
            raise BundleError("altered", f"{path.name} has {told.st_size} bytes instead of {_words(sizes)}")
        return memoryview(mmap.mmap(descriptor, told.st_size, access=mmap.ACCESS_READ) if told.st_size else b"")
    except OSError as error:
        raise BundleError("unreadable", f"{path.name}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _words(sizes: range) -> str:
    return str(sizes.start) if len(sizes) == 1 else f"at most {sizes.stop - 1}"
