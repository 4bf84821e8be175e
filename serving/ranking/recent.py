"""The shop's newest sessions, and for every item the newest of them that hold it: what neighbours are found among."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking import arrays as packed
from serving.ranking.compiled import compiled
from serving.ranking.sessions import Sessions
from serving.ranking.tally import Indices, narrow, place, sealed, slots

#: Five weeks of a shop with 150,000 clicks a day, in 50 MB. What is older hardly counts, and a shop that fills it
#: sooner has enough of the newer.
EVENTS_MAX: Final = 5_000_000
#: Of a longer session the last ones: nobody's mind lasts longer, and a robot's click counts no more for being many.
LENGTH_MAX: Final = 250


@dataclass(frozen=True, slots=True)
class Recent:
    """Sessions laid end to end as in Sessions, and `visits`: of item i from visit_starts[i] on, newest first."""

    items: Indices  # (events,)
    starts: NDArray[np.int64]  # (sessions + 1,)
    visit_starts: NDArray[np.int64]  # (catalogue + 1,)
    visitors: NDArray[np.int32]  # (visits,) sessions, each once an item
    places: NDArray[np.uint8]  # (visits,) where in its session the item stood last

    def __len__(self) -> int:
        return len(self.starts) - 1

    @classmethod
    def make(cls, sessions: Sessions, most: int) -> Self:
        """Of each item the `most` newest of sessions that are `newest`."""
        visit_starts, visitors, places = _visits(sessions.items, sessions.starts, sessions.catalogue, most)
        items = narrow(sessions.items, sessions.catalogue)
        return cls(items, sealed(sessions.starts), sealed(visit_starts), sealed(visitors), sealed(places))

    @classmethod
    def read(cls, arrays: Mapping[str, NDArray[Any]], catalogue: int) -> Self:
        items = packed.indices(packed.vector(arrays, "items", (np.uint16, np.int32)), "items", catalogue)
        starts = packed.starts(arrays, "starts", len(items))
        visitors = packed.indices(packed.vector(arrays, "visitors", (np.int32,)), "visitors", len(starts) - 1)
        visit_starts = packed.starts(arrays, "visit_starts", len(visitors), catalogue)
        places = packed.vector(arrays, "places", (np.uint8,), len(visitors))
        if (places >= np.diff(starts)[visitors]).any():
            raise ValueError("`places` holds a place beyond the end of a session")
        return cls(items, starts, visit_starts, visitors, places)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "items": self.items,
            "starts": self.starts,
            "visit_starts": self.visit_starts,
            "visitors": self.visitors,
            "places": self.places,
        }


def newest(sessions: Sessions) -> Sessions:
    """The newest sessions that EVENTS_MAX holds, each cut to LENGTH_MAX."""
    begins, ends = sessions.starts[:-1], sessions.starts[1:]
    lengths = np.minimum(ends - begins, LENGTH_MAX)
    after = np.cumsum(lengths[::-1])[::-1]  # (sessions,) events from here to the end
    kept = sessions.between(int((after > EVENTS_MAX).sum()), len(sessions))
    ends = np.repeat(kept.starts[1:], kept.lengths)
    return kept.where(np.arange(len(kept.items)) >= ends - LENGTH_MAX)


@compiled
def _visits(
    items: NDArray[np.int32], starts: NDArray[np.int64], catalogue: int, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint8]]:
    """Where each item's visits begin, the visiting sessions, newest first, and the item's last place in each."""
    last = np.full(catalogue, -1, np.int64)
    counts = np.zeros(catalogue + 1, np.int64)
    for session in range(len(starts) - 2, -1, -1):
        for item in items[starts[session] : starts[session + 1]]:
            if last[item] != session and counts[item + 1] < most:
                last[item] = session
                counts[item + 1] += 1
    visit_starts = np.cumsum(counts)
    ends = visit_starts[:-1].copy()
    visitors = np.empty(visit_starts[-1], np.int32)
    places = np.empty(visit_starts[-1], np.uint8)
    last[:] = -1
    for session in range(len(starts) - 2, -1, -1):
        for event in range(starts[session + 1] - 1, starts[session] - 1, -1):
            item = items[event]
            if last[item] != session and ends[item] < visit_starts[item + 1]:
                last[item] = session
                visitors[ends[item]] = session
                places[ends[item]] = event - starts[session]
                ends[item] += 1
    return visit_starts, visitors, places


@compiled
def meet(
    visit_starts: NDArray[np.int64],
    visitors: NDArray[np.int32],
    voters: NDArray[np.int32],
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64], NDArray[np.int64], NDArray[np.int32]]:
    """The sessions that hold any of the voters: a table of them, how much they share, and the first visit in common.

    `voters` come latest first, so the first visit is that of the latest item in common; last, which of the voters.
    """
    most = 0
    for voter in voters:
        most += visit_starts[voter + 1] - visit_starts[voter]
    table = slots(most)
    sessions = np.empty(most, np.int32)
    shared = np.empty(most, np.float64)
    visits = np.empty(most, np.int64)
    firsts = np.empty(most, np.int32)
    count = 0
    for at in range(len(voters)):
        for visit in range(visit_starts[voters[at]], visit_starts[voters[at] + 1]):
            row = place(table, sessions, count, int(visitors[visit]))
            if row == count:
                count += 1
                shared[row] = 0.0
                visits[row] = visit
                firsts[row] = at
            shared[row] += weights[at]
    return table, sessions[:count], shared[:count], visits[:count], firsts[:count]
