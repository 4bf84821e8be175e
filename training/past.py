"""An event log gathered into arrays: the sessions everything is fitted on, and the items they are about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.click import EventType
from schemas.errors import DataError
from schemas.item import Item
from serving.ranking.past import Past
from serving.ranking.sessions import DEEDS, Sessions
from serving.ranking.table import Table
from training.bots import superhuman
from training.choice import Choice, Sittings
from training.clock import written
from training.log import EventLog
from training.spool import Spool

#: Codes of the log's items -> their places in the table.
_Places = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Gathered:
    past: Past
    #: Of the events in `past`.
    types: Counter[EventType]
    #: Sessions that are not in it, by the reason: `consent` was withdrawn, or they are of `bots`.
    left_out: Counter[str]

    @property
    def repeat_share(self) -> float:
        """How many of the steps within sessions lead to an item the session has had."""
        sessions = self.past.sessions
        events, begun = len(sessions.items), len(sessions)
        distinct = len(np.unique(sessions.owners * len(self.past.table) + sessions.items))
        return (events - distinct) / (events - begun) if events > begun else 0.0


def gather(log: EventLog, catalogue: Mapping[str, Item], *, bots: bool = False) -> Gathered:
    """What was chosen of the log. Nobody learns from `bots`, but what is measured is measured on all sessions."""
    with Spool(log.frames()) as spool:
        coarse = spool.coarse or not log.clocked
        left_out: Counter[str] = Counter()

        def parts(counted: Counter[str]) -> Iterator[Sittings]:
            for records in spool:
                found, refused = learnable(Sittings.of(records), log.choice, coarse=coarse, bots=bots)
                counted.update(refused)
                yield found

        order = _Order.of(parts(left_out))
        if not len(order.items):
            raise DataError("empty", nothing(log.choice, spool))
        ids = spool.ids(order.items)
        table = Table.make(ids, catalogue) if log.clocked else Table.make(ids, catalogue).undated()
        places = np.zeros(int(order.items[-1]) + 1, dtype=np.int32)
        places[order.items] = table.find(ids)
        sessions = order.laid(parts(Counter()), places, len(table), log.clocked)
    types = np.bincount(sessions.types, minlength=len(DEEDS)).tolist()
    return Gathered(Past(sessions, table), +Counter(dict(zip(DEEDS, types, strict=True))), left_out)


def learnable(found: Sittings, choice: Choice, *, coarse: bool, bots: bool) -> tuple[Sittings, Counter[str]]:
    """The deeds of the chosen sessions that may be learned from, and how many may not. Wanted `bots` may.

    A session in which consent was withdrawn is left out whole, as the fold erases it: before anything is chosen,
    since it may have been withdrawn after the span that is, or in an event that is dropped as another's double.
    """
    withdrawn = found.any(~found.events["consent"])
    refused, deeds = choice.of(found.whose(withdrawn)), choice.of(found.whose(~withdrawn))
    deeds = deeds.where(deeds.events["type"] < len(DEEDS))
    robots = superhuman(deeds, coarse) & (not bots)
    return deeds.whose(~robots), +Counter(consent=len(refused), bots=int(robots.sum()))


def nothing(choice: Choice, spool: Spool) -> str:
    """Why no event is left to learn from."""
    span = f"the log is from {written(spool.first_ts)} to {written(spool.last_ts)}" if spool.events else "it is empty"
    if choice.since_ms is not None and choice.since_ms > spool.last_ts:
        return f"no session starts at --since {written(choice.since_ms)} or later: {span}"
    if choice.until_ms is not None and choice.until_ms <= spool.first_ts:
        return f"no event is before --until {written(choice.until_ms)}: {span}"
    left = "no event is left to learn from: only impressions, removals, bots or withdrawn consent"
    return left if choice.since_ms is None is choice.until_ms else f"{left} between --since and --until; {span}"


@dataclass(frozen=True, slots=True)
class _Order:
    """Where the sessions of all parts lie when they stand in the order they began."""

    #: Per session, part by part.
    places: NDArray[np.int64]
    #: In their order, (sessions + 1,).
    starts: NDArray[np.int64]
    #: The codes that occur.
    items: NDArray[np.uint32]

    @classmethod
    def of(cls, parts: Iterator[Sittings]) -> _Order:
        times, rows, lengths, items = [], [], [], []
        for part in parts:
            firsts = part.events[part.starts[:-1]]
            times.append(firsts["ts"])
            rows.append(firsts["row"])
            lengths.append(np.diff(part.starts))
            items.append(np.unique(part.events["item"]))
        order = np.lexsort((np.concatenate(rows), np.concatenate(times)))
        starts = np.concatenate(([0], np.cumsum(np.concatenate(lengths)[order]))).astype(np.int64)
        places = np.empty(len(order), dtype=np.int64)
        places[order] = starts[:-1]
        return cls(places, starts, np.unique(np.concatenate(items)))

    def laid(self, parts: Iterator[Sittings], places: _Places, catalogue: int, clocked: bool) -> Sessions:
        count = int(self.starts[-1])
        items, types, times = np.empty(count, np.int32), np.empty(count, np.uint8), np.empty(count, np.int64)
        at = 0
        for part in parts:
            to = self.places[at : at + len(part)] - part.starts[:-1]
            events = np.repeat(to, np.diff(part.starts)) + np.arange(len(part.events))
            items[events] = places[part.events["item"]]
            types[events] = part.events["type"]
            times[events] = part.events["ts"]
            at += len(part)
        return Sessions(items, types, times, self.starts, catalogue, clocked)
