"""What is kept of a user across sessions, and the fold that is its only way to change. It knows no order of lanes.

A user's sessions lie in several partitions, which are folded in any order, so what is left must be the same for all
of them. A deed is kept under (hour of record time, type, item): its count is a sum and its time a maximum, which do not
ask who came first, and of the keys the latest are kept, at most so many. The one danger is a deed that is dropped and
comes back, since its sum would begin anew. That cannot be: what a deed ranks by is its key, which never changes, and
the keys before it only become more. Whoever is among the latest in the end was so from its first event on. (Ranked by
its last time, as one would first have it, an item that was dropped and is touched again has lost its earlier count in
one order and not in the other.)

An erasure is a bound on the hour, and takes all up to it, its own hour included. To take away the lowest keys and to
keep the highest commute; to take away what came before it would depend on what had come.

`fold` here and serving/state/lua/profile.lua are one, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from schemas.click import Click, EraseUser, Event, EventType
from schemas.facts import TYPE_CODES
from schemas.session import LATE_MS, RECENT_MAX, Action, Outcome, Position, Session

BOUGHT_MAX: Final = 32
LIKED_MAX: Final = 64
#: What a count is kept in holds no more.
COUNT_MAX: Final = 65_535
HOUR_MS: Final = 3_600_000

#: What says something of a user in the long run.
KEPT: Final[frozenset[EventType]] = frozenset({"view", "cart", "like", "purchase"})


@dataclass(frozen=True, slots=True)
class Trace:
    """One record of the clickstream that concerns a user."""

    #: None where the record is the order to forget.
    click: Click | None
    record_time: int
    position: Position


@dataclass(frozen=True, slots=True)
class Deed:
    """What a user did with an item within one hour, how often, and when last."""

    item_id: str
    type: EventType
    last: int
    count: int = 1

    @property
    def place(self) -> tuple[int, int, bytes]:
        """What it ranks by, and is known by: of its events, the same for each."""
        return hour(self.last), TYPE_CODES[self.type], self.item_id.encode()


@dataclass(frozen=True, slots=True)
class Profile:
    """The deeds by their places, the earliest first; purchases do not make room for views."""

    bought: tuple[Deed, ...] = ()
    liked: tuple[Deed, ...] = ()
    #: Record time of the last erasure.
    erased: int | None = None
    #: Lane -> last applied offset. They outlive an erasure, or they would tell whether it came before or after.
    guards: dict[str, int] = field(default_factory=dict)

    def actions(self) -> tuple[Action, ...]:
        """Of each item the last deed, as a session has them; oldest first."""
        last: dict[str, Action] = {}
        for deed in sorted((*self.bought, *self.liked), key=lambda deed: (deed.last, deed.place)):
            last.pop(deed.item_id, None)
            last[deed.item_id] = Action(deed.item_id, deed.type, deed.last)
        return tuple(last.values())


def hour(record_time: int) -> int:
    return record_time // HOUR_MS


def concerned(event: Event) -> str | None:
    """The user whose profile the event changes, if any does: without consent none is touched."""
    if isinstance(event, EraseUser):
        return event.user_id
    if not isinstance(event, Click) or event.user_id is None or not event.consent or event.type not in KEPT:
        return None
    return event.user_id


def continued(session: Session, earlier: Sequence[Action]) -> Session:
    """The session as ranking reads it that knows its user: what was done before it stands in front."""
    touched = {action.item_id for action in session.recent}
    front = [action for action in earlier if action.item_id not in touched]
    return replace(session, recent=(*front, *session.recent)[-RECENT_MAX:])


def fold(profile: Profile, trace: Trace) -> tuple[Profile, Outcome]:
    """The profile after `trace`. The order of the checks is the contract; profile.lua has the same one."""
    position, now, click = trace.position, trace.record_time, trace.click
    if position.offset <= profile.guards.get(position.lane, -1):
        return profile, Outcome.STALE
    # Whatever else happens: by the end of its lane the guard must be the same, whichever lane was first.
    profile = replace(profile, guards={**profile.guards, position.lane: position.offset})
    if click is None:
        return _erase(profile, now), Outcome.ERASED
    if profile.erased is not None and hour(now) <= hour(profile.erased):
        return profile, Outcome.FORGOTTEN
    if click.ts < now - LATE_MS:
        return profile, Outcome.LATE
    deed = Deed(click.touched[0], click.type, now)
    if click.type == "purchase":
        return replace(profile, bought=_with(profile.bought, deed, BOUGHT_MAX)), Outcome.APPLIED
    return replace(profile, liked=_with(profile.liked, deed, LIKED_MAX)), Outcome.APPLIED


def _erase(profile: Profile, at: int) -> Profile:
    at = max(at, profile.erased or 0)
    bought, liked = (
        tuple(deed for deed in deeds if hour(deed.last) > hour(at)) for deeds in (profile.bought, profile.liked)
    )
    return replace(profile, bought=bought, liked=liked, erased=at)


def _with(deeds: tuple[Deed, ...], new: Deed, at_most: int) -> tuple[Deed, ...]:
    for at, deed in enumerate(deeds):
        if deed.place == new.place:
            count = min(deed.count + new.count, COUNT_MAX)
            return (*deeds[:at], replace(deed, last=max(deed.last, new.last), count=count), *deeds[at + 1 :])
    return tuple(sorted((*deeds, new), key=lambda deed: deed.place))[-at_most:]
