"""What POST /v1/rank takes and answers: the caller's own candidates, in order for a session."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from schemas.placement import DEFAULT, PlacementName
from schemas.recommendation import Model, Reason
from schemas.wire import ItemId, SessionId

#: At once. More would keep others waiting.
CANDIDATES_MAX: Final = 500


class Asked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    candidates: Annotated[tuple[ItemId, ...], Meta(min_length=1, max_length=CANDIDATES_MAX)]
    #: Whose order it is to be. Without one, or with one that the token is not for, nobody's.
    session_id: SessionId | None = None
    limit: Annotated[int, Meta(ge=1, le=CANDIDATES_MAX)] = CANDIDATES_MAX
    placement: PlacementName = DEFAULT
    exclude: Annotated[frozenset[ItemId], Meta(max_length=CANDIDATES_MAX)] = frozenset()


class Candidate(Struct, frozen=True):
    item_id: ItemId
    rank: Annotated[int, Meta(ge=1, le=CANDIDATES_MAX)]
    #: Comparable only within one answer.
    score: float
    #: "asked" where no source of ours would have brought it.
    source: str
    reason: Reason


class Ranking(Struct, frozen=True, kw_only=True, tag_field="schema", tag="nextclick.ranking/1"):
    generated_at: int
    model: Model
    placement: str = DEFAULT
    items: tuple[Candidate, ...] = ()
    #: Candidates that the catalogue does not know or that are not to be had, as they were given.
    dropped: tuple[str, ...] = ()
    #: How many clicks of the session the order knows.
    session_version: int = 0
    #: Why it is not the ranker's best answer; null when it is.
    fallback: str | None = None


_DECODER: Final = msgspec.json.Decoder(Asked)


def read(body: bytes) -> Asked:
    """Raises msgspec's errors, which name the member that is wrong."""
    return _DECODER.decode(body)
