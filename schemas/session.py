"""A session, and the pure fold that is its only way to change.

`fold(state, record)` answers the state after that record. Production runs the same fold as a Lua script
in Redis (serving/state/lua/fold.lua); tests hold the two against each other byte for byte, and rebuild
any session by folding the topic in one thread.

The only clock is the record's own time R, so a replay years later folds to the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from schemas.click import Click, Erase, EventType

RECENT_MAX: Final = 50
CART_MAX: Final = 50
BOUGHT_MAX: Final = 50
SHOWN_MAX: Final = 100
IDS_MAX: Final = 64

#: Silence in record time after which a shopper who returns is a new incarnation of the session.
IDLE_MS: Final = 30 * 60_000
#: The longest an incarnation lasts, however busy it is.
AGE_MS: Final = 24 * 3_600_000
#: An event older than this when Kafka took it is late: counted, not folded.
LATE_MS: Final = 30 * 60_000
#: How far a shopper's clock may run ahead before it is set back.
FUTURE_MS: Final = 5 * 60_000


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record lies. The epoch changes when the topic is made anew and offsets begin again."""

    epoch: str
    partition: int
    offset: int

    @property
    def lane(self) -> str:
        """The sequence the offset counts in."""
        return f"{self.epoch}.{self.partition}"

    def __str__(self) -> str:
        return f"{self.epoch}.{self.partition}.{self.offset}"


@dataclass(frozen=True, slots=True)
class Record:
    """One decoded record of the clickstream, as the fold takes it."""

    event: Click | Erase
    record_time: int
    position: Position

    @property
    def click(self) -> Click | None:
        """None where the record is an order to forget: an explicit one, or a click without consent."""
        return None if isinstance(self.event, Erase) or not self.event.consent else self.event


@dataclass(frozen=True, slots=True)
class Action:
    """One of the recent deeds that ranking looks at."""

    item_id: str
    type: EventType
    ts: int


@dataclass(frozen=True, slots=True)
class Trigger:
    """The event that brought a session to its version."""

    event_id: str
    ts: int
    record_time: int
    position: Position


@dataclass(frozen=True, slots=True)
class Session:
    """The facts of one incarnation. Everything is bounded, so a million clicks weigh what fifty do."""

    started: int = 0
    seen: int = 0
    version: int = 0
    recent: tuple[Action, ...] = ()
    cart: tuple[str, ...] = ()
    bought: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    #: Hashes of the last event ids: what a producer sent twice is applied once.
    ids: tuple[bytes, ...] = ()
    trigger: Trigger | None = None
    #: Lane -> last applied offset. What lies at or below it has been applied and never is again.
    guards: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Erased:
    """What remains of a session that was erased: enough to refuse its old events."""

    position: Position
    at: int

    def is_past(self, position: Position, record_time: int) -> bool:
        """It came to Kafka before. Of another lane, to which more partitions may move a session, only time tells."""
        if position.lane == self.position.lane:
            return position.offset <= self.position.offset
        return record_time <= self.at


@dataclass(frozen=True, slots=True)
class State:
    """Everything kept under one session id."""

    session: Session | None = None
    erased: Erased | None = None


class Outcome(StrEnum):
    """What the fold did with a record; the letters are the Lua script's answer."""

    APPLIED = "a"
    CLAMPED = "c"  # applied, its time set back to R + 5 min
    UNCHANGED = "u"  # taken, but the version stays: impressions, removal of what was not there
    STALE = "s"  # at or below the guard: redelivered, rewound, or a zombie's
    DUPLICATE = "d"  # an event id already seen
    LATE = "l"
    FORGOTTEN = "f"  # at or before an erasure
    ERASED = "e"


def event_hash(event_id: str) -> bytes:
    return blake2b(event_id.encode(), digest_size=8).digest()


def fold(state: State, record: Record, idle_ms: int = IDLE_MS) -> tuple[State, Outcome]:
    """The state after `record`. The order of the checks is the contract; fold.lua has the same one."""
    session, position, click = state.session or Session(), record.position, record.click
    if position.offset <= session.guards.get(position.lane, -1):
        return state, Outcome.STALE
    if state.erased and state.erased.is_past(position, record.record_time):
        # The guard went with the session; the marker stands in for it, also against the erasure itself.
        return state, Outcome.STALE if click is None else Outcome.FORGOTTEN
    if click is None:
        return _erase(state, record), Outcome.ERASED
    if state.erased and click.ts <= state.erased.at:
        return state, Outcome.FORGOTTEN
    # From here on the guard advances, whatever else happens: every later look at this record is stale.
    session = replace(session, guards={**session.guards, position.lane: position.offset})
    session, outcome = _take(session, record, click, idle_ms)
    return State(session, state.erased), outcome


def _erase(state: State, record: Record) -> State:
    at = max(record.record_time, state.erased.at if state.erased else 0)
    return State(None, Erased(record.position, at))


def _take(session: Session, record: Record, click: Click, idle_ms: int) -> tuple[Session, Outcome]:
    now = record.record_time
    digest = event_hash(click.event_id)
    if digest in session.ids and not _is_over(session, now, idle_ms):
        return session, Outcome.DUPLICATE
    if click.ts < now - LATE_MS:
        return session, Outcome.LATE
    if session.started == 0 or _is_over(session, now, idle_ms):
        session = Session(started=now, seen=now, guards=session.guards)
    ts = min(int(click.ts), now + FUTURE_MS)
    session = replace(session, seen=max(session.seen, now), ids=(*session.ids, digest)[-IDS_MAX:])
    changed = _apply(session, click, ts)
    if changed is None:
        return session if click.type != "impression" else _show(session, click), Outcome.UNCHANGED
    trigger = Trigger(click.event_id, ts, now, record.position)
    changed = replace(changed, version=session.version + 1, trigger=trigger)
    return changed, Outcome.APPLIED if ts == click.ts else Outcome.CLAMPED


def _is_over(session: Session, now: int, idle_ms: int) -> bool:
    return now - session.seen > idle_ms or now - session.started > AGE_MS


def _apply(session: Session, click: Click, ts: int) -> Session | None:
    """The session with the event in it; None when the event changes nothing that ranking looks at."""
    if click.type == "impression":
        return None
    item = click.touched[0]
    if click.type == "remove":
        return replace(session, cart=_without(session.cart, item)) if item in session.cart else None
    recent = (*session.recent, Action(item, click.type, ts))[-RECENT_MAX:]
    session = replace(session, recent=recent)
    if click.type == "cart":
        return replace(session, cart=_with(session.cart, item, CART_MAX))
    if click.type == "purchase":
        cart = _without(session.cart, item)
        return replace(session, cart=cart, bought=_with(session.bought, item, BOUGHT_MAX))
    return session


def _show(session: Session, click: Click) -> Session:
    shown = session.shown
    for item in click.touched:
        shown = _with(shown, item, SHOWN_MAX)
    return replace(session, shown=shown)


def _with(items: tuple[str, ...], item: str, at_most: int) -> tuple[str, ...]:
    """`item` becomes the latest, once."""
    return (*_without(items, item), item)[-at_most:]


def _without(items: tuple[str, ...], item: str) -> tuple[str, ...]:
    return tuple(other for other in items if other != item)
