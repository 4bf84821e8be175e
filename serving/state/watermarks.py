"""Up to where a lane is folded, in the store's own word.

A watermark lies beside the sessions it speaks of and grows as old as they do: a copy of Redis from a minute ago
holds the watermark of a minute ago. On a Cluster each lies at 64 places, so that every shard holds one of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

from schemas.errors import InvariantError


@dataclass(frozen=True, slots=True)
class Watermark:
    """All of a lane up to this offset is folded."""

    offset: int
    #: Of the record there; of an earlier one where that is not known.
    record_time: int


@dataclass(frozen=True, slots=True)
class Word:
    """A watermark as one place holds it."""

    mark: Watermark
    #: The servers are still those that it was written under.
    holds: bool


@dataclass(frozen=True, slots=True)
class Survey:
    """The servers there are, and what each place says of a lane: None where it says nothing."""

    servers: frozenset[str]
    words: Mapping[str, Sequence[Word | None]]
    #: The same as it is written; whoever claims the lane replaces just this.
    written: Mapping[str, Sequence[bytes]]


class Held(StrEnum):
    """What became of a watermark that was to be moved; the letters are the Lua script's answer."""

    MOVED = "m"
    GONE = "g"  # nothing is there any more, and so nothing of what lay beside it
    FOREIGN = "f"  # another owner of the lane has claimed it


def surveyed(servers: Iterable[str], written: Mapping[str, Sequence[bytes]]) -> Survey:
    there = frozenset(servers)
    words = {lane: [_read(each, _called(there)) for each in places] for lane, places in written.items()}
    return Survey(there, words, written)


def written(mark: Watermark, servers: frozenset[str], owner: str) -> bytes:
    return f"{mark.offset} {mark.record_time} {_called(servers)} {owner}".encode()


def signature(owner: str) -> bytes:
    """How all that an owner writes ends, and nobody else's."""
    return f" {owner}".encode()


def _read(word: bytes, called: str) -> Word | None:
    if not word:
        return None
    offset, record_time, servers, _ = word.decode().split()
    return Word(Watermark(int(offset), int(record_time)), servers == called)


def _called(servers: frozenset[str]) -> str:
    return blake2b(" ".join(sorted(servers)).encode(), digest_size=8).hexdigest()


def strange(server: str) -> InvariantError:
    return InvariantError(
        f"Redis answers from a server (replication id {server}) that was not there when partitions were assigned: it "
        "was restarted or failed over, or it joined. It may lack the last of what was folded, so nothing is folded "
        "there; start the worker again, and it reads anew what may be missing"
    )
