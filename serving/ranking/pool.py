"""The pool: at most 200 candidates from all sources, each with every source that brought it, rank and score there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.ranking.compiled import compiled
from serving.ranking.query import Query
from serving.ranking.sources.source import NOBODY, Candidates, Source
from serving.ranking.tally import find, place, slots

POOL: Final = 200
#: How far down its list a source is heard about candidates that others brought.
DEPTH: Final = 200
#: The rank of a candidate at a source that did not bring it.
ABSENT: Final = 0


@dataclass(frozen=True, slots=True)
class Pool:
    """Candidates in the order in which they came; a column a source, in the order the sources were given."""

    ids: NDArray[np.int32]  # (n,)
    ranks: NDArray[np.float32]  # (n, sources) from 1, or ABSENT
    scores: NDArray[np.float32]  # (n, sources) 0 where absent
    because: NDArray[np.int32]  # (n, sources) the session's item that speaks most for it, or NOBODY

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Quota:
    """A source and the most it may bring at first. What all have left free is filled in their order."""

    source: Source
    limit: int


def gather(quotas: Sequence[Quota], query: Query, barred: NDArray[np.int32]) -> Pool:
    """The union of what the sources bring for a session, without `barred`."""
    [pool] = gather_all(quotas, [query], [barred])
    return pool


def gather_all(quotas: Sequence[Quota], queries: Sequence[Query], barred: Sequence[NDArray[np.int32]]) -> list[Pool]:
    """A pool a session. The sources take turns, not the sessions: what one of them works with then stays at hand."""
    # With more than that barred, a source may bring less than its quota; never is it asked for a catalogue.
    asked = [(query, DEPTH + min(len(each), DEPTH)) for query, each in zip(queries, barred, strict=True)]
    brought = [[quota.source.candidates(*each) for each in asked] for quota in quotas]
    limits = np.array([quota.limit for quota in quotas], dtype=np.int64)
    return [union(each, limits, away) for each, away in zip(zip(*brought, strict=True), barred, strict=True)]


def union(brought: Sequence[Candidates], limits: NDArray[np.int64], barred: NDArray[np.int32]) -> Pool:
    """What each source brought, each up to its limit, and what all have left free filled in their order."""
    ends = np.array([0, *accumulate(len(each.ids) for each in brought)], dtype=np.int64)
    ids = np.concatenate([each.ids for each in brought])
    scores = np.concatenate([each.scores for each in brought])
    because = np.concatenate([each.because for each in brought])
    return Pool(*_pooled(ids, scores, because, ends, limits, np.sort(barred)))


@compiled
def _pooled(
    ids: NDArray[np.int32],
    scores: NDArray[np.float32],
    because: NDArray[np.int32],
    ends: NDArray[np.int64],
    limits: NDArray[np.int64],
    barred: NDArray[np.int32],
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    sources = len(limits)
    table = slots(POOL + 1)
    known = np.empty(POOL + 1, np.int32)
    allowed = np.ones(len(ids), np.bool_)
    for at in range(len(ids)):
        allowed[at] = not _holds(barred, ids[at])

    # First everybody's quota, in their order, then whatever room is left.
    count = 0
    for turn in range(2):
        for source in range(sources):
            taken = 0
            for at in range(ends[source], ends[source + 1]):
                if count == POOL or (turn == 0 and taken == limits[source]):
                    break
                if allowed[at]:
                    taken += 1
                    if place(table, known, count, int(ids[at])) == count:
                        count += 1

    return _seen(ids, scores, because, ends, allowed, table, known, count)


@compiled
def _seen(
    ids: NDArray[np.int32],
    scores: NDArray[np.float32],
    because: NDArray[np.int32],
    ends: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    table: NDArray[np.int32],
    known: NDArray[np.int32],
    count: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    """The candidates, and what every source says of each, whoever brought it."""
    sources = len(ends) - 1
    ranks = np.zeros((count, sources), np.float32)
    marks = np.zeros((count, sources), np.float32)
    causes = np.full((count, sources), NOBODY, np.int32)
    for source in range(sources):
        rank = 0
        for at in range(ends[source], ends[source + 1]):
            if allowed[at]:
                rank += 1
                row = find(table, known, int(ids[at]))
                if row >= 0:
                    ranks[row, source] = rank
                    marks[row, source] = scores[at]
                    causes[row, source] = because[at]
    return known[:count].copy(), ranks, marks, causes


@compiled
def _holds(ordered: NDArray[np.int32], key: int) -> bool:
    low, high = 0, len(ordered)
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low < len(ordered) and ordered[low] == key
