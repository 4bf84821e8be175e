"""The bundle's manifest: what training hands to production, and what proves that it arrived whole."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.click import EventType
from schemas.errors import BundleError

#: The name every bundle's manifest has in its directory.
MANIFEST: Final = "manifest.json"
FORMAT: Final = 2
#: In the place of a seal until everything else is known.
UNSEALED: Final = "0" * 64

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
#: A plain name: a manifest cannot point outside its own directory.
FileName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$(?!\n)")]


#: What fits a file's size, and a processor's whole numbers.
_MOST: Final = 2**63 - 1
Bytes = Annotated[int, Meta(ge=0, le=_MOST)]
#: Epoch ms, up to the end of the last year that has four digits.
Moment = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]


class File(Struct, frozen=True):
    sha256: Sha256
    bytes: Bytes


class Data(Struct, frozen=True, kw_only=True):
    """What the bundle was counted and trained from."""

    events: int
    sessions: int
    items: int
    #: Epoch ms of the first and the last event.
    first_ts: Moment
    last_ts: Moment
    #: False where the log had no times: then these two are laid out, not read.
    clocked: bool = True
    #: Of the log's bytes, in the order they were read.
    log_sha256: Sha256
    catalogue_sha256: Sha256 | None = None


class GoldenAction(Struct, frozen=True, array_like=True):
    item_id: str
    type: EventType
    ts: Moment


class GoldenSession(Struct, frozen=True):
    """One known answer: what the shopper did, oldest first, and the ids that must stand first."""

    actions: tuple[GoldenAction, ...]
    top: tuple[str, ...]


class Golden(Struct, frozen=True, kw_only=True):
    """Known answers of the whole ranker, asked at one frozen moment."""

    now: Moment
    #: A bundle that nothing is asked of proves nothing.
    sessions: Annotated[tuple[GoldenSession, ...], Meta(min_length=1)]


class Manifest(Struct, frozen=True, kw_only=True):
    format: Literal[2] = FORMAT
    #: What the files hold, in twelve digits: the same log, seed, versions and threads give the same.
    version: Annotated[str, Meta(min_length=1, max_length=64)]
    counts_version: Annotated[str, Meta(min_length=1, max_length=64)]
    created_at: Moment
    command: str
    seed: Annotated[int, Meta(ge=-_MOST, le=_MOST)]
    versions: dict[str, str]
    #: What training chose for this shop, from its log alone.
    parameters: dict[str, str | int | float | bool]
    data: Data
    #: What ranks. The version is theirs.
    files: dict[FileName, File]
    #: What people read: it holds times, and so is no part of the version.
    documents: dict[FileName, File] = {}
    golden: Golden
    #: What `nextclick evaluate --json` prints: protocol, rows, pool; empty when nothing was evaluated.
    evaluation: dict[str, Any] = {}
    #: What each stage of making it took, in the order they ran.
    seconds: dict[str, float] = {}
    peak_memory_bytes: Bytes = 0
    #: What `seal` makes of all the above.
    sha256: Sha256


_DECODER: Final = msgspec.json.Decoder(Manifest)


def decode(value: bytes) -> Manifest:
    """The manifest, in whatever layout, as it was sealed; BundleError otherwise."""
    try:
        manifest = _DECODER.decode(value)
        vouched = seal(msgspec.json.decode(value, type=dict[str, Any]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError("manifest", str(error)) from None
    if vouched != manifest.sha256:
        raise BundleError("altered", f"{MANIFEST} is altered: it is not what its own sha256 says")
    return manifest


def seal(said: Mapping[str, Any]) -> str:
    """The SHA-256 of a manifest's JSON without `sha256`: no blanks, the keys of every object in order."""
    rest = {name: value for name, value in said.items() if name != "sha256"}
    return sha256(msgspec.json.encode(rest, order="sorted")).hexdigest()


def sealed(manifest: Manifest) -> Manifest:
    """The same, vouching for itself."""
    return msgspec.structs.replace(manifest, sha256=seal(msgspec.to_builtins(manifest)))


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
