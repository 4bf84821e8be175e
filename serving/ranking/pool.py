"""The pool: at most 200 candidates from all sources, each with every source that brought it, rank and score there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from serving.ranking.sources.source import Candidates, Source

POOL: Final = 200
#: The rank of a candidate at a source that did not bring it.
ABSENT: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Pool:
    """Candidates in the order of their indices; a column a source, in the order the sources were given."""

    ids: NDArray[np.int32]  # (n,)
    ranks: NDArray[np.float32]  # (n, sources) from 1; ABSENT
    scores: NDArray[np.float32]  # (n, sources) 0 where absent
    because: NDArray[np.int32]  # (n, sources) the session's item that speaks most for it, -1 where none does

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Quota:
    """A source and the most it may bring. What the sources before it leave free is the last one's."""

    source: Source
    limit: int


def gather(quotas: Sequence[Quota], session: Sequence[int], barred: NDArray[np.int32]) -> Pool:
    """The union of what the sources bring for a session, without `barred`, cut in the order of the sources."""
    barred = np.sort(barred)
    brought = [_bring(quota, session, barred) for quota in quotas]
    ids = np.concatenate([candidates.ids for candidates in brought])
    order = np.argsort(ids, kind="stable")  # equal ids side by side, in the order of the sources
    begins = np.flatnonzero(np.diff(ids[order], prepend=-1))
    unique, first = ids[order[begins]], order[begins]
    rows = np.empty(len(ids), dtype=np.int64)
    rows[order] = np.repeat(np.arange(len(unique)), np.diff(begins, append=len(ids)))
    pool = _Columns(rows, brought).pool(unique)
    if len(pool) <= POOL:
        return pool
    kept = np.sort(np.argsort(first)[:POOL])
    return Pool(unique[kept], pool.ranks[kept], pool.scores[kept], pool.because[kept])


def _bring(quota: Quota, session: Sequence[int], barred: NDArray[np.int32]) -> Candidates:
    """The best of a source that are not barred, ranked among themselves."""
    if not len(barred):
        return quota.source.candidates(session, quota.limit)
    # Asked for more, but never for a catalogue: with most of it barred, a source may bring less than its quota.
    found = quota.source.candidates(session, quota.limit + min(len(barred), quota.limit))
    places = np.minimum(np.searchsorted(barred, found.ids), len(barred) - 1)
    kept = np.flatnonzero(barred[places] != found.ids)[: quota.limit]
    return Candidates(found.ids[kept], found.scores[kept], found.because[kept])


class _Columns:
    """Where each value that was brought goes: the row of its candidate, the column of its source."""

    def __init__(self, rows: NDArray[np.int64], brought: Sequence[Candidates]) -> None:
        lengths = [len(candidates.ids) for candidates in brought]
        self._brought = brought
        self._places = rows * len(brought) + np.repeat(np.arange(len(brought)), lengths)
        self._ranks = np.concatenate([np.arange(1, length + 1) for length in lengths])

    def pool(self, ids: NDArray[np.int32]) -> Pool:
        return Pool(
            ids,
            self._matrix(len(ids), self._ranks, np.float32, ABSENT),
            self._matrix(len(ids), np.concatenate([each.scores for each in self._brought]), np.float32, 0),
            self._matrix(len(ids), np.concatenate([each.because for each in self._brought]), np.int32, -1),
        )

    def _matrix(self, height: int, values: NDArray[Any], kind: type, empty: float) -> NDArray[Any]:
        flat: NDArray[Any] = np.full(height * len(self._brought), empty, dtype=kind)
        flat[self._places] = values
        return flat.reshape(height, len(self._brought))
