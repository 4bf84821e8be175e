"""VMIS-kNN as published (Kersbergen, Sprangers and Schelter, SIGMOD 2022): the baseline that is hard to beat.

Of the sessions that share an item, the m most recent; each is as alike as the shared items stand late in this
session; its items score by that, by how late its latest shared item stands here, and by their own rarity.
"""

from __future__ import annotations

from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking import arrays as packed
from serving.ranking.compiled import compiled
from serving.ranking.cooccurrence import sets
from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.recent import Recent, meet, newest
from serving.ranking.sources.source import Arrays, Candidates
from serving.ranking.tally import Indices, ballot, elected, find, latest, sealed, sort_first, vote

#: m. The paper's k, how many of them have a say, is as many here and leaves none out.
SESSIONS: Final = 500
#: What a shared item loses by each place that it stands before the session's last.
DECAY: Final = 0.1


class VmisKnn:
    name: ClassVar[str] = "vmis_knn"
    quota: ClassVar[int] = 60
    weight: ClassVar[float] = 0.5
    counted: ClassVar[bool] = True

    def __init__(self, recent: Recent, rarity: NDArray[np.float32]) -> None:
        self._recent = recent
        self._rarity = rarity

    @classmethod
    def fit(cls, past: Past) -> Self:
        held = sets(newest(past.sessions))
        counts = np.maximum(np.bincount(held.items, minlength=held.catalogue), 1)
        rarity = np.log(np.maximum(len(held) / counts, 1))
        return cls(Recent.make(held, SESSIONS), sealed(rarity.astype(np.float32)))

    @classmethod
    def read(cls, arrays: Arrays, catalogue: int) -> Self:
        return cls(Recent.read(arrays, catalogue), packed.finite(arrays, "rarity", (np.float32,), catalogue))

    def arrays(self) -> Arrays:
        return {**self._recent.arrays(), "rarity": self._rarity}

    def candidates(self, query: Query, limit: int) -> Candidates:
        recent = self._recent
        knows = recent.items, recent.starts, recent.visit_starts, recent.visitors, self._rarity
        return Candidates(*_candidates(*knows, query.items, limit))


@compiled
def _candidates(
    items: Indices,
    starts: NDArray[np.int64],
    visit_starts: NDArray[np.int64],
    visitors: NDArray[np.int32],
    rarity: NDArray[np.float32],
    session: NDArray[np.int32],
    limit: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    voters = latest(session, len(session))
    weights = np.empty(len(voters), np.float64)
    lateness = np.empty(len(voters), np.float64)
    back = 0
    for at in range(len(voters)):
        while session[len(session) - 1 - back] != voters[at]:
            back += 1
        weights[at] = (len(session) - back) / len(voters)
        lateness[at] = max(0.0, 1.0 - DECAY * (back + 1))
    met, sessions, alike, _, firsts = meet(visit_starts, visitors, voters, weights)
    newest_first = -sessions.astype(np.int64)
    kept = min(SESSIONS, len(sessions))
    sort_first(newest_first, kept)

    most = 0
    for key in newest_first[:kept]:
        most += starts[1 - key] - starts[-key]
    table, known, sums, strongest = ballot(most)
    count = 0
    for key in newest_first[:kept]:
        row = find(met, sessions, -key)
        for item in items[starts[-key] : starts[1 - key]]:
            worth = alike[row] * lateness[firsts[row]] * rarity[item]
            count = vote(table, known, sums, strongest, count, int(item), worth, firsts[row])
    return elected(table, known, sums, strongest, count, voters, limit)
