"""What a list is asked for with, and what it is when it is made: whoever polls, waits or streams gets the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

from schemas.recommendation import PUBLISHED


@dataclass(frozen=True, slots=True)
class Wanted:
    """One list, of one session, for one place in the shop."""

    #: None for a session that whoever asks has no business with: it is answered as one that nobody knows.
    session_id: str | None
    placement: str = "default"
    limit: int = PUBLISHED
    exclude: frozenset[str] = frozenset()
    #: Members of each item that are wanted; empty for all.
    fields: frozenset[str] = frozenset()

    @property
    def is_plain(self) -> bool:
        """Nothing is wanted but what the worker stored and published."""
        return self.placement == "default" and self.limit == PUBLISHED and not (self.exclude or self.fields)


@dataclass(frozen=True, slots=True)
class Made:
    """A list ready to be sent."""

    body: bytes
    etag: str
    #: started.version.revision; empty where there is none to compare.
    triple: str
    generated_at: int
    model: str
    fallback: str | None
    #: Lane -> offset up to which it knows the clicks.
    applied: Mapping[str, int] = field(default_factory=dict)

    def knows(self, lane: str, offset: int) -> bool:
        return self.applied.get(lane, -1) >= offset


class Makes(Protocol):
    async def make(self, wanted: Wanted) -> Made:
        """Always something: what cannot be had is replaced by the best that can."""
        ...


def etag(body: bytes) -> str:
    """Of exactly these bytes."""
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'
