"""What the worker and the endpoint ask of the session store; memory.py and redis.py answer.

Facts (`fold`) are never lost and never applied twice. Derivations (`store`) may be computed again: the
latest wins. Both adapters pass the one contract suite in tests/state/test_sessions.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from schemas import facts
from schemas.profile import Profile
from schemas.session import Action, Outcome, Position, Record, Session, State
from serving.state.profiles import Remembered, Traces
from serving.state.watermarks import Held, Survey, Watermark


@dataclass(frozen=True, slots=True)
class Work:
    """The records of one session out of one batch, in the order of their partitions."""

    session_id: str
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Folded:
    """A session after its records: an outcome for each, and the hash as it now is (empty when erased)."""

    session_id: str
    outcomes: tuple[Outcome, ...]
    facts: Mapping[bytes, bytes]
    #: (started, version, revision) of the list that is stored; None when there is none.
    ranked: tuple[int, int, int] | None
    #: What the session's user did before it, where ranking is to know.
    earlier: Sequence[Action] = ()

    @property
    def version(self) -> int:
        return facts.incarnation(self.facts)[1] if self.facts else 0

    @property
    def seen(self) -> int:
        """Record time of the last event that was taken."""
        return facts.seen(self.facts) if self.facts else 0

    @property
    def needs_ranking(self) -> bool:
        """The stored list does not know the newest event that changed the session."""
        if self.version == 0:
            return False
        return self.ranked is None or self.ranked[:2] < facts.incarnation(self.facts)

    def session(self) -> Session:
        return facts.decode(self.facts)


@dataclass(frozen=True, slots=True)
class Draft:
    """A ranked list on its way into the store."""

    session_id: str
    started: int
    version: int
    trigger: Position
    trigger_ts: int
    #: Record time of that event, where a click's latency begins.
    clicked_at: int
    #: The published JSON up to its revision (schemas.recommendation.unrevised).
    head: bytes
    #: The ranked items that are not published (schemas.recommendation.spares).
    more: bytes
    #: Lane -> offset that this list knows of.
    applied: Mapping[str, int]
    vector: bytes | None = None
    vector_tag: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """The revision the list was given; None when it was refused, and why."""

    revision: int | None
    refused: Literal["gone", "erased", "older"] | None = None


@dataclass(frozen=True, slots=True)
class StoredList:
    """A recommendation as the endpoint reads it."""

    triple: tuple[int, int, int]
    body: bytes
    more: bytes
    applied: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Mark:
    """A session on a lane's pending set, since `since` in this worker's time."""

    lane: str
    session_id: str
    since: int


class SessionStore(Protocol):
    """Every call either took effect whole for each session or raises RedisError and may be repeated."""

    async def fold(self, works: Sequence[Work], marks: Sequence[Mark] = ()) -> list[Folded]:
        """Puts sessions on their lanes' pending sets, where the latest mark of a session stands, and then applies each
        record once, whatever was redelivered. One work a session: their order is not kept.

        InvariantError from a server that the last claim did not know: it may lack what others lead it to skip.
        """

    async def remember(self, works: Sequence[Traces]) -> list[Remembered]:
        """Applies each record once to its user's profile, whatever was redelivered; InvariantError as in `fold`.

        An erasure among the records is an erasure, whoever reads it: the worker, or who was asked and waited for its
        offset.
        """

    async def profiles(self, user_ids: Sequence[str]) -> list[Profile]:
        """Of each, in order; empty of whom nothing is known."""

    async def store(self, drafts: Sequence[Draft]) -> list[Stored]: ...

    async def settle(self, marks: Sequence[Mark]) -> None:
        """Takes off what still bears exactly these marks."""

    async def pending(self, lane: str) -> list[Mark]:
        """What the last owner of a lane left to be ranked, oldest first."""

    async def survey(self, lanes: Sequence[str]) -> Survey:
        """Where reading these lanes may go on."""

    async def claim(self, survey: Survey, marks: Mapping[str, Watermark], owner: str) -> bool:
        """The lanes are `owner`'s, each folded up to its mark. False when something changed since the survey.

        From now on nothing is folded on a server that the survey did not see.
        """

    async def advance(self, marks: Mapping[str, Watermark], owner: str) -> Mapping[str, Held]:
        """Moves what `owner` has claimed; InvariantError as in `fold`."""

    async def discard(self, session_ids: Sequence[str], user_ids: Sequence[str] = ()) -> None:
        """Forgets facts that a store which lost its past made up of a few events. They are folded anew."""

    async def read(self, session_id: str) -> State: ...

    async def recommendation(self, session_id: str) -> StoredList | None: ...

    async def close(self) -> None: ...
