"""The pool: at most 200 candidates from all sources, each with every source that brought it, rank and score there.

A source speaks for its candidate of rank r with quota / (30 + r). Who has most of that from all of them together is
in: what several sources know of comes before what one of them is sure of, and none can be crowded out by its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.ranking.compiled import compiled
from serving.ranking.query import Query
from serving.ranking.sources.source import NOBODY, Brings, Candidates
from serving.ranking.tally import best, find, place, slots

POOL: Final = 200
#: How far down its list a source is heard.
DEPTH: Final = 200
#: How slowly a source's voice falls with the rank, in ranks.
_FALLS: Final = 30.0
#: The rank of a candidate at a source that did not bring it.
ABSENT: Final = 0
_NOWHERE: Final = -1
#: Hides no item, whatever the catalogue.
NOTHING: Final[NDArray[np.bool_]] = np.zeros(0, dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Pool:
    """Candidates, the most spoken for first; a column a source, in the order the sources were given."""

    ids: NDArray[np.int32]  # (n,)
    ranks: NDArray[np.float32]  # (n, sources) from 1, or ABSENT
    scores: NDArray[np.float32]  # (n, sources) 0 where absent
    because: NDArray[np.int32]  # (n, sources) the session's item that speaks most for it, or NOBODY

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, rows: int) -> Pool:
        """The first so many candidates alone."""
        return Pool(self.ids[:rows], self.ranks[:rows], self.scores[:rows], self.because[:rows])

    def told_by(self, sources: int) -> Pool:
        """The same candidates, and what the first so many sources say of them."""
        ranks, scores = self.ranks[:, :sources].copy(), self.scores[:, :sources].copy()
        return Pool(self.ids, ranks, scores, self.because[:, :sources].copy())


@dataclass(frozen=True, slots=True)
class Quota:
    """A source, and how much it has to say in who is in the pool."""

    source: Brings
    share: int
    #: How many of the table's items the source knows; None where it knows of all.
    knows: int | None = None


def gather(
    quotas: Sequence[Quota], query: Query, barred: NDArray[np.int32], hidden: NDArray[np.bool_] = NOTHING
) -> Pool:
    """The union of what the sources bring for a session, without what is `barred` or `hidden`."""
    [pool] = gather_all(quotas, [query], [barred], hidden)
    return pool


def gather_all(
    quotas: Sequence[Quota],
    queries: Sequence[Query],
    barred: Sequence[NDArray[np.int32]],
    hidden: NDArray[np.bool_] = NOTHING,
) -> list[Pool]:
    """A pool a session. The sources take turns, not the sessions: what one of them works with then stays at hand."""
    # With more than that away, a source may bring less than it could; never is it asked for a catalogue.
    away = int(np.count_nonzero(hidden))
    limits = [DEPTH + min(len(each) + away, DEPTH) for each in barred]
    asked = {knows: [query.below(knows) for query in queries] for knows in {quota.knows for quota in quotas}}
    brought = [list(map(quota.source.candidates, asked[quota.knows], limits)) for quota in quotas]
    shares = np.array([quota.share for quota in quotas], dtype=np.int64)
    return [union(each, shares, some, hidden) for each, some in zip(zip(*brought, strict=True), barred, strict=True)]


def union(
    brought: Sequence[Candidates],
    shares: NDArray[np.int64],
    barred: NDArray[np.int32],
    hidden: NDArray[np.bool_] = NOTHING,
) -> Pool:
    """Of all that the sources brought, the candidates that they together speak most for; equal ones by index."""
    return Pool(*_pooled(*_joined(brought), shares, np.sort(barred), hidden))


def asked_for(
    quotas: Sequence[Quota],
    query: Query,
    asked: NDArray[np.int32],
    barred: NDArray[np.int32],
    hidden: NDArray[np.bool_] = NOTHING,
) -> Pool:
    """Given candidates, each once, in their order, and behind them the rest of the session's own pool.

    What is said of a candidate is held against the best there are, which need not be among those that were given.
    """
    limit = DEPTH + min(len(barred) + int(np.count_nonzero(hidden)), DEPTH)
    brought = [quota.source.candidates(query.below(quota.knows), limit) for quota in quotas]
    shares = np.array([quota.share for quota in quotas], dtype=np.int64)
    rows = _behind(asked, union(brought, shares, barred, hidden).ids)
    return Pool(rows, *_asked(*_joined(brought), rows, np.sort(barred), hidden))


def _joined(
    brought: Sequence[Candidates],
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]:
    """What all brought in a row, and where each source's part ends."""
    return (
        np.concatenate([each.ids for each in brought]),
        np.concatenate([each.scores for each in brought]),
        np.concatenate([each.because for each in brought]),
        np.array([0, *accumulate(len(each.ids) for each in brought)], dtype=np.int64),
    )


@compiled
def _behind(asked: NDArray[np.int32], ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """The asked, and then those of the others that are not among them."""
    rows = np.empty(len(asked) + len(ids), np.int32)
    table = slots(len(asked))
    for at in range(len(asked)):
        place(table, rows, at, int(asked[at]))
    count = len(asked)
    for at in range(len(ids)):
        if find(table, rows, int(ids[at])) == _NOWHERE:
            rows[count] = ids[at]
            count += 1
    return rows[:count]


@compiled
def _asked(
    ids: NDArray[np.int32],
    scores: NDArray[np.float32],
    because: NDArray[np.int32],
    ends: NDArray[np.int64],
    asked: NDArray[np.int32],
    barred: NDArray[np.int32],
    hidden: NDArray[np.bool_],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    table = slots(len(asked))
    known = np.empty(len(asked), np.int32)
    for at in range(len(asked)):
        place(table, known, at, int(asked[at]))
    rows = np.full(len(ids), _NOWHERE, np.int32)
    ranks = np.empty(len(ids), np.int32)
    for source in range(len(ends) - 1):
        rank = 0
        for at in range(ends[source], ends[source + 1]):
            if rank < DEPTH and not (len(hidden) and hidden[ids[at]]) and not _holds(barred, ids[at]):
                rank += 1
                rows[at] = find(table, known, int(ids[at]))
                ranks[at] = rank
    return _told(scores, because, ends, rows, ranks, np.arange(len(asked)).astype(np.int32), len(asked))


@compiled
def _pooled(
    ids: NDArray[np.int32],
    scores: NDArray[np.float32],
    because: NDArray[np.int32],
    ends: NDArray[np.int64],
    shares: NDArray[np.int64],
    barred: NDArray[np.int32],
    hidden: NDArray[np.bool_],
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    table = slots(len(ids))
    known = np.empty(len(ids), np.int32)
    sums = np.zeros(len(ids), np.float64)
    rows = np.empty(len(ids), np.int32)  # of each candidate among the known, _NOWHERE of one that is barred or too deep
    ranks = np.empty(len(ids), np.int32)  # of each at its source
    count = 0
    for source in range(len(shares)):
        rank = 0
        for at in range(ends[source], ends[source + 1]):
            rows[at] = _NOWHERE
            if rank < DEPTH and not (len(hidden) and hidden[ids[at]]) and not _holds(barred, ids[at]):
                rank += 1
                rows[at] = place(table, known, count, int(ids[at]))
                ranks[at] = rank
                count += rows[at] == count
                sums[rows[at]] += shares[source] / (_FALLS + rank)

    chosen, _ = best(known[:count], sums[:count], POOL)
    places = np.full(count, _NOWHERE, np.int32)
    for at in range(len(chosen)):
        places[find(table, known, int(chosen[at]))] = at
    return chosen, *_told(scores, because, ends, rows, ranks, places, len(chosen))


@compiled
def _told(
    scores: NDArray[np.float32],
    because: NDArray[np.int32],
    ends: NDArray[np.int64],
    rows: NDArray[np.int32],
    ranks: NDArray[np.int32],
    places: NDArray[np.int32],
    chosen: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    """What every source says of each of the chosen."""
    sources = len(ends) - 1
    standing = np.zeros((chosen, sources), np.float32)
    marks = np.zeros((chosen, sources), np.float32)
    causes = np.full((chosen, sources), NOBODY, np.int32)
    for source in range(sources):
        for at in range(ends[source], ends[source + 1]):
            to = places[rows[at]] if rows[at] != _NOWHERE else _NOWHERE
            if to != _NOWHERE:
                standing[to, source] = ranks[at]
                marks[to, source] = scores[at]
                causes[to, source] = because[at]
    return standing, marks, causes


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
