"""What became of an event that was sent back: folded, late, a duplicate, or nothing yet. Pure.

The workers do not say it of single events, so it is concluded from the session before and after. The fold is a pure
function, and what it makes of an event follows from the session as it was just before the event was sent: whether it
held the id, whether it was over, whether it had been erased. That the workers have come so far is seen by the
session's guard, which no event of another can move past ours. What happened in between can make one difference: a
twin of the event, on its way from elsewhere at that very moment, may be the one that was folded. So "folded" says: the
session did not hold this event before, and now it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from schemas.session import Outcome, Record, State, fold


class Fate(StrEnum):
    """What is told of an event that was sent."""

    FOLDED = "folded"
    LATE = "late"
    DUPLICATE = "duplicate"
    #: Its session was erased, and the event is from before.
    FORGOTTEN = "forgotten"
    #: It asked to erase its session, which is done.
    ERASED = "erased"
    #: The session has a guard beyond it: the clickstream was made anew, but not its epoch.
    STALE = "stale"
    #: No worker has taken it within the time that was waited.
    WAITING = "not_yet_folded"


_FATES: Final[dict[Outcome, Fate]] = {
    Outcome.APPLIED: Fate.FOLDED,
    Outcome.CLAMPED: Fate.FOLDED,
    Outcome.UNCHANGED: Fate.FOLDED,
    Outcome.DUPLICATE: Fate.DUPLICATE,
    Outcome.LATE: Fate.LATE,
    Outcome.FORGOTTEN: Fate.FORGOTTEN,
    Outcome.ERASED: Fate.ERASED,
    Outcome.STALE: Fate.STALE,
}


@dataclass(frozen=True, slots=True)
class Sent:
    """An event in Kafka, and what the fold will make of it."""

    record: Record
    outcome: Outcome

    @property
    def foreseen(self) -> Fate:
        return _FATES[self.outcome]


def foresee(before: Mapping[str, State], records: Iterable[Record]) -> list[Sent]:
    """The events in the order of their offsets, and the session of each as it was."""
    states = dict(before)
    sent = []
    for record in records:
        name = record.event.session_id
        states[name], outcome = fold(states[name], record)
        sent.append(Sent(record, outcome))
    return sent


def seen(sent: Sent, after: State) -> Fate | None:
    """None while no worker has taken it."""
    position, click = sent.record.position, sent.record.click
    is_past = after.erased is not None and after.erased.is_past(position, sent.record.record_time)
    if after.erased and click is not None and (is_past or click.ts <= after.erased.at):
        return Fate.FORGOTTEN
    passed = after.session is not None and after.session.guards.get(position.lane, -1) >= position.offset
    return sent.foreseen if passed or (click is None and is_past) else None
