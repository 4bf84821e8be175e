"""The bundle's manifest: what training hands to production, and what proves that it arrived whole."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.errors import BundleError

#: The name every bundle's manifest has in its directory.
MANIFEST: Final = "manifest.json"
FORMAT: Final = 1

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
#: A plain name: a manifest cannot point outside its own directory.
FileName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_.-]*$(?!\n)")]


class File(Struct, frozen=True):
    sha256: Sha256
    bytes: Annotated[int, Meta(ge=0)]


class Data(Struct, frozen=True, kw_only=True):
    """What the bundle was counted and trained from."""

    events: int
    sessions: int
    items: int
    #: Epoch ms of the first and the last event.
    first_ts: int
    last_ts: int
    #: Of the log's bytes, in the order they were read.
    log_sha256: Sha256


class Golden(Struct, frozen=True, kw_only=True):
    """One known answer of the whole ranker: sessions as item ids, and the ids it must put first."""

    now: int
    sessions: tuple[tuple[str, ...], ...]
    top: tuple[tuple[str, ...], ...]


class Manifest(Struct, frozen=True, kw_only=True):
    format: Literal[1] = FORMAT
    version: Annotated[str, Meta(min_length=1, max_length=64)]
    counts_version: Annotated[str, Meta(min_length=1, max_length=64)]
    created_at: int
    command: str
    versions: dict[str, str]
    parameters: dict[str, str | int | float]
    data: Data
    files: dict[FileName, File]
    golden: Golden
    #: Figures with the protocol they were measured under; empty when nothing was evaluated.
    metrics: dict[str, float] = {}


_DECODER: Final = msgspec.json.Decoder(Manifest)


def decode(value: bytes) -> Manifest:
    try:
        return _DECODER.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError("manifest", str(error)) from None


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
