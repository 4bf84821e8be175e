"""What came next in the past sessions most like this one, near the item that they share with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking import arrays as packed
from serving.ranking.compiled import compiled
from serving.ranking.decay import faded, span_ms
from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.recent import Recent, meet, newest
from serving.ranking.sessions import Sessions
from serving.ranking.sources.source import Arrays, Candidates
from serving.ranking.tally import Indices, ballot, elected, latest, leading, sealed, vote

#: Of each item, the newest sessions that are looked through.
VISITS: Final = 300
#: How many of those, the most alike, have a say.
NEIGHBOURS: Final = 500
#: How far from the shared item a neighbour's items still count, each place away counting less.
WINDOW: Final = 10
#: What they count when they came before it.
BACKWARD: Final = 0.5
#: What the shared item itself counts, as a multiple of how much its like do come again in the log.
RETURNS: Final = 1.5
#: After this share of the log's span a session counts half.
HALF_LIFE_SHARE: Final = 0.5
#: Freshness is told in so many steps: a table that stays in a processor's cache, however many sessions there are.
STEPS: Final = 4096
#: The power of log(sessions / sessions with the item) that a shared item counts: rare ones say more.
RARITY: Final = 1.5
#: The power of its count that a candidate is divided by.
CANDIDATE: Final = 0.25
#: How much each of the session's last items says, the last one first.
RECENCY: Final = tuple(position**-1.5 for position in range(1, 11))


class SessionKnn:
    name: ClassVar[str] = "session_knn"
    quota: ClassVar[int] = 100
    weight: ClassVar[float] = 1.0
    counted: ClassVar[bool] = True

    def __init__(self, recent: Recent, factors: Mapping[str, NDArray[np.float32]]) -> None:
        self._recent = recent
        self._factors = factors
        self._knows = (
            *(recent.items, recent.starts, recent.visit_starts, recent.visitors, recent.places),
            *(factors["freshness"], factors["rarity"], factors["norms"], factors["near"], factors["recency"]),
        )

    @classmethod
    def fit(
        cls,
        past: Past,
        *,
        window: int = WINDOW,
        backward: float = BACKWARD,
        returns: float = RETURNS,
        half_life_share: float = HALF_LIFE_SHARE,
        rarity: float = RARITY,
        candidate: float = CANDIDATE,
    ) -> Self:
        kept = newest(past.sessions)
        begun = kept.times[kept.starts[:-1]]
        counts = np.bincount(kept.items, minlength=kept.catalogue) + 1.0
        factors = {
            "freshness": faded(begun, half_life_share * span_ms(begun))[:: _together(len(begun))],
            "rarity": np.log1p(len(kept) / counts) ** rarity,
            "norms": (counts / counts.mean()) ** -candidate if len(counts) else counts,
            "near": _near(kept, window, backward, returns),
            "recency": np.array(RECENCY),
        }
        narrowed = {name: sealed(factor.astype(np.float32)) for name, factor in factors.items()}
        return cls(Recent.make(kept, VISITS), narrowed)

    @classmethod
    def read(cls, arrays: Arrays, catalogue: int) -> Self:
        recent = Recent.read(arrays, catalogue)
        steps = -(-len(recent) // _together(len(recent)))
        lengths = {"freshness": steps, "rarity": catalogue, "norms": catalogue, "near": None, "recency": None}
        factors = {name: packed.finite(arrays, name, (np.float32,), length) for name, length in lengths.items()}
        if len(factors["near"]) % 2 == 0:
            raise ValueError("`near` has no middle")
        return cls(recent, factors)

    def arrays(self) -> Arrays:
        return {**self._recent.arrays(), **self._factors}

    def candidates(self, query: Query, limit: int) -> Candidates:
        return Candidates(*_candidates(*self._knows, query.items, limit))


@compiled
def _together(sessions: int) -> int:
    """How many sessions that began together share one freshness, a power of two."""
    together = 1
    while sessions > STEPS * together:
        together *= 2
    return together


def _near(sessions: Sessions, window: int, backward: float, returns: float) -> NDArray[np.float64]:
    """What an item counts by its place after the shared one: from `window` places before it to as many after it."""
    after = 1 / np.arange(1, window + 1)
    before = backward * after
    itself = 0.0
    for shift, worth in enumerate(after + before, start=1):
        again = sessions.items[shift:] == sessions.items[:-shift]
        itself += worth * np.count_nonzero(again & (sessions.owners[shift:] == sessions.owners[:-shift]))
    return np.concatenate((before[::-1], [returns * itself / max(len(sessions.items), 1)], after))


@compiled
def _candidates(
    items: Indices,
    starts: NDArray[np.int64],
    visit_starts: NDArray[np.int64],
    visitors: NDArray[np.int32],
    places: NDArray[np.uint8],
    freshness: NDArray[np.float32],
    rarity: NDArray[np.float32],
    norms: NDArray[np.float32],
    near: NDArray[np.float32],
    recency: NDArray[np.float32],
    session: NDArray[np.int32],
    limit: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    voters = latest(session, len(recency))
    weights = np.empty(len(voters), np.float64)
    for at in range(len(voters)):
        weights[at] = np.float64(recency[at]) * rarity[voters[at]]
    _, sessions, alike, visits, firsts = meet(visit_starts, visitors, voters, weights)
    together = _together(len(starts) - 1)
    for row in range(len(sessions)):
        alike[row] *= freshness[sessions[row] // together]
    neighbours = leading(sessions, alike, NEIGHBOURS)

    begins, ends, turns = np.empty((3, len(neighbours)), np.int64)
    reach = len(near) // 2
    for at in range(len(neighbours)):
        row = neighbours[at]
        begin, end = starts[sessions[row]], starts[sessions[row] + 1]
        shared = begin + places[visits[row]]
        begins[at], ends[at], turns[at] = max(begin, shared - reach), min(end, shared + reach + 1), shared - reach

    # All that they say is fetched first: it lies anywhere, and many places are waited for no longer than one.
    said = np.empty((ends - begins).sum(), np.int32)
    many = 0
    for at in range(len(neighbours)):
        for event in range(begins[at], ends[at]):
            said[many] = items[event]
            many += 1

    table, known, sums, strongest = ballot(many)
    count = many = 0
    for at in range(len(neighbours)):
        row = neighbours[at]
        for event in range(begins[at], ends[at]):
            worth = alike[row] * near[event - turns[at]]
            count = vote(table, known, sums, strongest, count, int(said[many]), worth, firsts[row])
            many += 1
    for row in range(count):
        sums[row] *= norms[known[row]]
    return elected(table, known, sums, strongest, count, voters, limit)
