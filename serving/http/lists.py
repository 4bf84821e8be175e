"""What a list is asked for with, and what it is when it is made: whoever polls, waits or streams gets the same."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Protocol, Self

import msgspec

from schemas.recommendation import PUBLISHED
from serving.http.response import Headers


class Wanted(msgspec.Struct, frozen=True):
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


class Made(msgspec.Struct, frozen=True):
    """A list ready to be sent."""

    body: bytes
    etag: str
    #: started.version.revision; empty where there is none to compare.
    triple: str
    generated_at: int
    model: str
    fallback: str | None
    #: Lane -> offset up to which it knows the clicks.
    applied: Mapping[str, int]
    #: What is said of it in headers, but for its age.
    headers: Headers

    @classmethod
    def of(
        cls,
        body: bytes,
        triple: str,
        generated_at: int,
        model: str,
        fallback: str | None,
        applied: Mapping[str, int] | None = None,
    ) -> Self:
        tag = etag(body)
        headers: Headers = (
            ("ETag", tag),
            ("Cache-Control", "private, no-cache"),
            ("Nextclick-Generated-At", str(generated_at)),
            ("Nextclick-Model", model),
        )
        headers += (("Nextclick-Version", triple),) if triple else ()
        headers += (("Nextclick-Fallback", fallback),) if fallback else ()
        return cls(body, tag, triple, generated_at, model, fallback, applied or {}, headers)

    def knows(self, lane: str, offset: int) -> bool:
        return self.applied.get(lane, -1) >= offset


class Makes(Protocol):
    async def make(self, wanted: Wanted, *, changed: bool = False) -> Made:
        """Always something: what cannot be had is replaced by the best that can.

        `changed` where there probably is another list than the last: then all of it is asked for at once.
        """
        ...


class Lists(Makes, Protocol):
    async def stored(self, wanted: Wanted, *, changed: bool = False) -> Made | None:
        """Of what the worker stored; None as long as there is nothing, or nothing that the caller may see."""
        ...


def etag(body: bytes) -> str:
    """Of exactly these bytes."""
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'
