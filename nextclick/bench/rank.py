"""What ranking costs: a session alone, sessions in batches, and where the time goes. One thread.

Bundles are measured in turns of a few dozen calls, so that whatever else the machine does befalls all of them alike.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.errors import UsageError
from schemas.session import Action, Session
from serving.ranking.bundle import Bundle
from serving.ranking.features import features
from serving.ranking.pool import DEPTH, NOTHING, union
from serving.ranking.ranker import Ranker
from serving.ranking.sessions import DEEDS

BATCH: Final = 32
TURNS: Final = 12
#: Calls a turn, after a few that only warm up.
_ALONE: Final = 60
_BATCHES: Final = 6
_WARMING: Final = 2
#: Different sessions of each kind: so many that what one needs is out of the processor's reach when it comes again.
_SESSIONS: Final = 512
#: Between two events of a session that never was.
_STEP_MS: Final = 30_000


@dataclass(slots=True)
class Course:
    """A ranker, the sessions that it is asked for without end, and the seconds that each has taken."""

    ranker: Ranker
    now: int
    #: Of the table, what is not to be had.
    hidden: NDArray[np.bool_]
    #: `logged`: as the shop has seen them. `tail`: of items from anywhere in the catalogue.
    sessions: dict[str, Iterator[Session]]
    alone: dict[str, list[float]] = field(default_factory=dict)
    batch: dict[str, list[float]] = field(default_factory=dict)
    stages: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, bundle: Bundle, length: int, hidden: float) -> Self:
        chance = np.random.default_rng(0)
        now = int(bundle.snapshot.times.max(initial=0))
        sessions = {"logged": _logged(bundle, length, chance), "tail": _tail(bundle, length, now, chance)}
        away = chance.random(len(bundle.ranker.table)) < hidden if hidden else NOTHING
        return cls(bundle.ranker, now, away, {kind: cycle(some) for kind, some in sessions.items()})

    def turn(self) -> None:
        """A few dozen more calls of every kind."""
        for kind, sessions in self.sessions.items():
            self.alone.setdefault(kind, []).extend(self._seconds(sessions, 1, _ALONE))
            self.batch.setdefault(kind, []).extend(self._seconds(sessions, BATCH, _BATCHES))
            for _ in range(_ALONE):
                # Before each, another session: what that leaves of the caches is what production finds.
                self.ranker.rank([next(sessions)], self.now, self.hidden)
                self._take_apart(next(sessions))

    def report(self) -> dict[str, Any]:
        return {
            "items": len(self.ranker.table),
            "sessions": {
                kind: {"alone": _told(self.alone[kind]), "batch": _told(self.batch[kind])} for kind in self.sessions
            },
            "stages_us": {stage: round(float(np.median(spent)) * 1e6, 1) for stage, spent in self.stages.items()},
        }

    def _seconds(self, sessions: Iterator[Session], size: int, calls: int) -> Iterator[float]:
        """Of each call, a session's share."""
        for call in range(-_WARMING, calls):
            asked = list(islice(sessions, size))
            begun = time.perf_counter()
            self.ranker.rank(asked, self.now, self.hidden)
            if call >= 0:
                yield (time.perf_counter() - begun) / size

    def _take_apart(self, session: Session) -> None:
        """What ranking a session alone does, one stage after another."""
        ranker = self.ranker
        begun = time.perf_counter()

        def lap(stage: str) -> None:
            nonlocal begun
            self.stages.setdefault(stage, []).append(time.perf_counter() - begun)
            begun = time.perf_counter()

        query = ranker.query(session.recent, self.now)
        lap("lookup")
        brought = []
        for name, source in ranker.sources.items():
            brought.append(source.candidates(query, DEPTH))
            lap(name)
        shares = np.array([quota.share for quota in ranker.quotas], dtype=np.int64)
        pool = union(brought, shares, ranker.barred(query), self.hidden)
        lap("pool")
        columns = features(pool, query, ranker.counts, ranker.table)
        lap("features")
        if ranker.model is not None:
            vector = ranker.model.encode([query])
            lap("encode")
            ranker.model.score(vector, [pool.ids], [columns])
            lap("score")
        [considered] = ranker.consider([query], self.hidden)
        begun = time.perf_counter()
        ranker.ranked(session, query, considered)
        lap("order and reasons")


def ratios(small: Mapping[str, Any], large: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """How much longer the larger bundle takes, by the kind of sessions and of calls."""
    return {
        kind: {
            way: round(large["sessions"][kind][way]["p50_ms"] / small["sessions"][kind][way]["p50_ms"], 3)
            for way in ("alone", "batch")
        }
        for kind in small["sessions"]
    }


def _told(seconds: Sequence[float]) -> dict[str, float]:
    p50, p99 = np.percentile(seconds, [50, 99]).tolist()
    return {"p50_ms": round(p50 * 1e3, 4), "p99_ms": round(p99 * 1e3, 4), "sessions_per_s": round(1 / p50)}


def _logged(bundle: Bundle, length: int, chance: np.random.Generator) -> list[Session]:
    past = bundle.snapshot
    long = np.flatnonzero(past.lengths >= length)
    if not len(long):
        raise UsageError(f"no session that the bundle remembers has {length} events; ask for a shorter --length")
    found = []
    for begin in past.starts[chance.permutation(long)[:_SESSIONS]].tolist():
        part = slice(begin, begin + length)
        columns = (past.items[part].tolist(), past.types[part].tolist(), past.times[part].tolist())
        found.append(_session(bundle, *columns))
    return found


def _tail(bundle: Bundle, length: int, now: int, chance: np.random.Generator) -> list[Session]:
    items = chance.integers(len(bundle.ranker.table), size=(_SESSIONS, length)).tolist()
    times = [now - _STEP_MS * back for back in range(length, 0, -1)]
    return [_session(bundle, each, [0] * length, times) for each in items]


def _session(bundle: Bundle, items: Sequence[int], types: Sequence[int], times: Sequence[int]) -> Session:
    names = bundle.ranker.table.named(items)
    actions = (Action(name, DEEDS[deed], ts) for name, deed, ts in zip(names, types, times, strict=True))
    return Session(recent=tuple(actions))
