"""Bundles on disk: a directory becomes a ranker, or is refused with the file at fault and what to do.

1. The manifest is read, checked against its own sha256, and then only what it names.
2. Every file is read once; size and sha256 are checked on the very bytes that are used.
3. They are unpacked: shapes, types, ranges.
4. The golden sessions are ranked, and must be answered as they were when the bundle was made.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

from schemas.bundle import MANIFEST, File, Manifest, decode
from schemas.errors import BundleError
from serving.ranking import bundle
from serving.ranking.ranker import Ranker

#: Sixteen sessions and a handful of hashes weigh a few tens of KB.
_MANIFEST_MAX_BYTES: Final = 1024 * 1024
_REMEDY: Final = "Copy the bundle again from where it was made, or make one with `nextclick train`"


def load(directory: Path) -> Ranker:
    """The ranker in `directory`, every byte of it verified; BundleError says what is wrong."""
    return verify(directory)[1]


def verify(directory: Path) -> tuple[Manifest, Ranker]:
    """The same, with what the bundle says of itself."""
    with _refusing(directory):
        manifest = _manifest(directory)
        files = {name: _read(directory / name, claim) for name, claim in sorted(manifest.files.items())}
        ranker = bundle.unpack(files)
        if (ranker.version, ranker.counts_version) != (manifest.version, manifest.counts_version):
            raise BundleError("version", f"{MANIFEST} says {manifest.version}, but its files are {ranker.version}")
        bundle.check(ranker, manifest.golden)
    return manifest, ranker


def read_manifest(directory: Path) -> Manifest:
    """What the bundle says of itself: as it was made, but its files not looked at."""
    with _refusing(directory):
        return _manifest(directory)


@contextmanager
def _refusing(directory: Path) -> Iterator[None]:
    """Every refusal names the bundle and what to do."""
    try:
        yield
    except BundleError as error:
        raise BundleError(error.reason, f"{directory}: {error.detail}. {_REMEDY}") from None


def _manifest(directory: Path) -> Manifest:
    if not directory.is_dir():
        raise BundleError("missing", "no such directory")
    return decode(_bytes(directory / MANIFEST, _MANIFEST_MAX_BYTES))


def _read(path: Path, claim: File) -> bytes:
    data = _bytes(path, claim.bytes)
    if len(data) < claim.bytes:
        raise BundleError("altered", f"{path.name} has {len(data)} bytes, its manifest says {claim.bytes}")
    if sha256(data).hexdigest() != claim.sha256:
        raise BundleError("altered", f"{path.name} is not what its manifest says: the sha256 differs")
    return data


def _bytes(path: Path, at_most: int) -> bytes:
    """The file's bytes, never more than can be right."""
    try:
        with path.open("rb") as file:
            data = file.read(at_most + 1)
    except FileNotFoundError:
        raise BundleError("missing", f"{path.name} is not in the bundle") from None
    except OSError as error:
        raise BundleError("unreadable", f"{path.name}: {error.strerror}") from error
    if len(data) > at_most:
        raise BundleError("altered", f"{path.name} has more than {at_most} bytes")
    return data
