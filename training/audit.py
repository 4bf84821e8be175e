"""What an event log is like, told before anything is trained: counts, faults, and what training would make of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training import bots
from training.choice import Choice, Records, Sittings
from training.clock import Clock
from training.fields import TYPES
from training.log import EventLog
from training.past import learnable, nothing
from training.spool import Spool

_QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
_REMOVE: Final = TYPES.index("remove")


@dataclass(frozen=True, slots=True)
class Lengths:
    """Of sessions, in events that training takes."""

    quantiles: dict[str, int]
    single_share: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """What the log has and the catalogue has not."""

    events: int
    items: int


@dataclass(frozen=True, slots=True)
class Audit:
    rows: int
    events: dict[str, int]
    faults: dict[str, int]
    #: Of each field at fault, the first row and its value.
    examples: dict[str, str]
    clocks: dict[str, Clock]
    first_ts: int
    last_ts: int
    sessions: int
    lengths: Lengths
    items: int
    #: Rows whose event id, and rows whose time, item and type, an earlier row of their session has.
    duplicates: dict[str, int]
    #: Rows that come after a later one of their session.
    disorder: int
    bots: int
    without_consent: int
    unknown: Unknown | None
    #: What training would take of it.
    trained: dict[str, int]
    #: What training would leave out, a sentence each.
    left_out: tuple[str, ...]
    #: Why nothing can be trained, where it cannot.
    refused: str | None

    def report(self) -> dict[str, object]:
        return asdict(self)


def audit(log: EventLog, catalogue: Collection[str] | None) -> Audit:
    """Of the whole log, a part at a time; its sessions are those that were chosen. DataError when it has no event."""
    with Spool(log.frames()) as spool:
        tally = _Tally(coarse=spool.coarse or not log.clocked, clocked=log.clocked)
        for records in spool:
            found = Sittings.of(records)
            tally.count(records, found, named=spool.named)
            tally.judge(found, log.choice)
        seen = np.flatnonzero(tally.items).astype(np.uint32)
        ids = spool.ids(seen) if catalogue is not None else []
    known = frozenset(catalogue or ())
    lacking = [int(tally.items[code]) for code, name in zip(seen.tolist(), ids, strict=False) if name not in known]
    return Audit(
        rows=log.events + log.faults.total(),
        events=dict(+spool.types),
        faults=dict(log.faults.most_common()),
        examples=log.examples,
        clocks=log.clocks,
        first_ts=spool.first_ts,
        last_ts=spool.last_ts,
        sessions=len(tally.lengths),
        lengths=_lengths(tally.lengths),
        items=len(seen),
        duplicates={"event_id": tally.repeated, "row": tally.copied},
        disorder=tally.disorder,
        bots=tally.refused["bots"],
        without_consent=tally.refused["consent"],
        unknown=None if catalogue is None else Unknown(sum(lacking), len(lacking)),
        trained={"events": tally.events, "sessions": tally.sessions, "items": len(tally.learned)},
        left_out=tuple(_left_out(log, spool, tally)),
        refused=refusal(tally.events, tally.sessions, len(tally.learned))
        if tally.events
        else nothing(log.choice, spool),
    )


def refusal(events: int, sessions: int, items: int) -> str | None:
    """Why there is nothing to learn in so many events of people, if there is not."""
    if items < 2:
        return (
            "the log is about a single item, and nothing can be ranked; name another column with --map item_id=COLUMN"
        )
    if events == sessions:
        return (
            "no session has two events, and what follows what cannot be learned; "
            "name the column of the visit with --map session_id=COLUMN"
        )
    return None


@dataclass(slots=True)
class _Tally:
    """What is counted, part by part."""

    coarse: bool
    clocked: bool
    repeated: int = 0
    copied: int = 0
    disorder: int = 0
    events: int = 0
    sessions: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lengths: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    #: Events of each item, by its code.
    items: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    learned: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))

    def count(self, records: Records, found: Sittings, *, named: bool) -> None:
        """All of it, whatever was chosen."""
        self.repeated += int(found.repeated().sum()) if named else 0
        self.copied += int(found.copied().sum()) if self.clocked else 0
        self.disorder += _disorder(records)
        touched = np.bincount(records["item"][records["type"] <= _REMOVE])
        size = max(len(touched), len(self.items))
        self.items = np.pad(self.items, (0, size - len(self.items))) + np.pad(touched, (0, size - len(touched)))

    def judge(self, found: Sittings, choice: Choice) -> None:
        """What is chosen of it, as training would take it."""
        everyone, _ = learnable(found, choice, coarse=self.coarse, bots=True)
        people, refused = learnable(found, choice, coarse=self.coarse, bots=False)
        self.refused += refused
        self.lengths = np.append(self.lengths, np.diff(everyone.starts))
        self.events += len(people.events)
        self.sessions += len(people)
        self.learned = np.union1d(self.learned, people.events["item"])


def _disorder(records: Records) -> int:
    order = np.argsort(records["session"], kind="stable")
    session, ts = records["session"][order], records["ts"][order]
    return int(np.count_nonzero((session[1:] == session[:-1]) & (ts[1:] < ts[:-1])))


def _lengths(lengths: NDArray[np.int64]) -> Lengths:
    if not len(lengths):
        return Lengths(dict.fromkeys(_QUANTILES, 0), 0.0)
    found = np.quantile(lengths, list(_QUANTILES.values()), method="inverted_cdf").tolist()
    return Lengths(dict(zip(_QUANTILES, map(int, found), strict=True)), round(float((lengths == 1).mean()), 4))


def _left_out(log: EventLog, spool: Spool, tally: _Tally) -> list[str]:
    robots = f"over {bots.LENGTH_MAX:,} events, or at least {bots.VIEWS_MIN} views at under a second each"
    said = {
        "rows at fault": log.faults.total(),
        "impressions, which show what was offered and not what was wanted": spool.types["impression"],
        "removals from a cart, which are no step towards an item": spool.types["remove"],
        "sessions that withdrew their consent": tally.refused["consent"],
        f"sessions of bots ({robots})": tally.refused["bots"],
    }
    return [f"{words}: {count:,}" for words, count in said.items() if count]
