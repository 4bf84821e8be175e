"""Which events of a log are taken, and where its sessions begin: what flags say of a log, part by part of a spool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Records = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Sittings:
    """Sessions laid end to end: session s is `events[starts[s]:starts[s + 1]]`, in the order of (ts, row)."""

    events: Records
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, records: Records) -> Self:
        """The sessions of records that are in the order of their rows."""
        ordered = records[np.lexsort((records["ts"], records["session"]))]  # stable: equal times keep their rows' order
        return cls(ordered, _starts(ordered["session"][1:] != ordered["session"][:-1], len(ordered)))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def owners(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    @property
    def firsts(self) -> Records:
        return self.events[self.starts[:-1]]

    def where(self, kept: NDArray[np.bool_]) -> Self:
        """The events that are `kept`; a session without any is gone."""
        lengths = np.bincount(self.owners[kept], minlength=len(self))
        starts = np.concatenate(([0], np.cumsum(lengths[lengths > 0])))
        return type(self)(self.events[kept], starts.astype(np.int64))

    def whose(self, sessions: NDArray[np.bool_]) -> Self:
        """The sessions that are marked."""
        return self.where(np.repeat(sessions, np.diff(self.starts)))

    def any(self, marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Per session, whether any of its events is marked."""
        return np.bincount(self.owners[marked], minlength=len(self)) > 0

    def repeated(self) -> NDArray[np.bool_]:
        """Per event, whether one of its session before it has its event id."""
        seen = np.ones(len(self.events), dtype=np.bool_)
        keys = np.stack([self.events["session"], self.events["event"]], axis=1)
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        seen[order[1:]] = (keys[order[1:]] == keys[order[:-1]]).all(axis=1)
        seen[order[:1]] = False
        return seen

    def copied(self) -> NDArray[np.bool_]:
        """Per event, whether one of its session before it has its time, item and type."""
        events = self.events
        beside = (events["session"][1:] == events["session"][:-1]) & (events["ts"][1:] == events["ts"][:-1])
        tied = np.flatnonzero(np.append(beside, [False]) | np.append([False], beside))
        names = ("session", "ts", "type", "item")
        order = tied[np.lexsort([events[name][tied] for name in reversed(names)])]
        alike = [events[name][order[1:]] == events[name][order[:-1]] for name in names]
        found = np.zeros(len(events), dtype=np.bool_)
        found[order[1:]] = np.logical_and.reduce(alike)
        return found

    def cut(self, idle_ms: int) -> Self:
        """Sessions that also end where nothing happens for longer than this."""
        events = self.events
        begins = (events["session"][1:] != events["session"][:-1]) | (np.diff(events["ts"]) > idle_ms)
        return type(self)(events, _starts(begins, len(events)))


def _starts(begins: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    inner = np.flatnonzero(begins) + 1
    return np.concatenate(([0] if count else [], inner, [count])).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked of a log beside its events."""

    #: Sessions that start in [since_ms, until_ms), and of those only the events before until_ms.
    since_ms: int | None = None
    until_ms: int | None = None
    #: Of the events of a session with one id, the first.
    dedupe: bool = False
    idle_ms: int | None = None

    def __bool__(self) -> bool:
        return self != Choice()

    def of(self, found: Sittings) -> Sittings:
        if self.dedupe:
            found = found.where(~found.repeated())
        if self.idle_ms is not None:
            found = found.cut(self.idle_ms)
        if self.since_ms is not None:
            found = found.whose(found.firsts["ts"] >= self.since_ms)
        if self.until_ms is not None:
            # What begins later has no event before it.
            found = found.where(found.events["ts"] < self.until_ms)
        return found
