"""Which items stand together in sessions, and how much: counted a row at a time, so that no table of pairs is held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.ranking.compiled import compiled
from serving.ranking.neighbours import Neighbours
from serving.ranking.sessions import Sessions
from serving.ranking.tally import best

#: Rows counted before they are cut to size: with 100 neighbours each, 40 MB.
_BLOCK_ROWS: Final = 32_768


@dataclass(frozen=True, slots=True)
class Pairs:
    """What one event counts for another of its session."""

    after: NDArray[np.float64]  # (window,) by how many places later the other stands
    before: NDArray[np.float64]  # (window,) by how many places earlier
    #: Whether an item can be its own neighbour.
    itself: bool = False


def neighbours(
    sessions: Sessions,
    pairs: Pairs,
    weights: NDArray[np.float32],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    most: int,
) -> Neighbours:
    """Of each item the `most` with the highest weighted count x its row's factor x its column's.

    `weights` says how much each event counts, `rows` and `columns` are factors by item.
    """
    return Neighbours.make(*counted(sessions, pairs, weights, rows, columns, most))


def counted(
    sessions: Sessions,
    pairs: Pairs,
    weights: NDArray[np.float32],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    most: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """The same as plain rows: how long each is, the items in them, their scores."""
    starts, events = by_item(sessions.items, sessions.catalogue)
    owners = np.repeat(np.arange(len(sessions), dtype=np.int32), sessions.lengths)
    lengths = np.zeros(sessions.catalogue, np.int64)
    ids, scores = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    for begin in range(0, sessions.catalogue, _BLOCK_ROWS):
        block = lengths[begin : begin + _BLOCK_ROWS]
        found = _count(
            block, begin, starts, events, sessions.items, owners, pairs.after, pairs.before, pairs.itself,
            weights, rows, columns, most,
        )  # fmt: skip
        ids.append(found[0])
        scores.append(found[1])
    return lengths, np.concatenate(ids), np.concatenate(scores)


def sets(sessions: Sessions) -> Sessions:
    """The sessions with each item once, where it came last."""
    return sessions.where(_lasting(sessions.items, sessions.starts, sessions.catalogue))


@compiled
def _lasting(items: NDArray[np.int32], starts: NDArray[np.int64], catalogue: int) -> NDArray[np.bool_]:
    """Which events no later one of their session repeats."""
    kept = np.empty(len(items), np.bool_)
    holder = np.full(catalogue, -1, np.int64)
    for session in range(len(starts) - 1):
        for event in range(starts[session + 1] - 1, starts[session] - 1, -1):
            kept[event] = holder[items[event]] != session
            holder[items[event]] = session
    return kept


@compiled
def by_item(items: NDArray[np.int32], catalogue: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The events of each item, oldest first: of item i they are events[starts[i]:starts[i + 1]]."""
    starts = np.zeros(catalogue + 1, np.int64)
    for item in items:
        starts[item + 1] += 1
    for item in range(catalogue):
        starts[item + 1] += starts[item]
    ends = starts[:-1].copy()
    events = np.empty(len(items), np.int32)
    for event in range(len(items)):
        events[ends[items[event]]] = event
        ends[items[event]] += 1
    return starts, events


@compiled
def _count(
    lengths: NDArray[np.int64],
    first: int,
    starts: NDArray[np.int64],
    events: NDArray[np.int32],
    items: NDArray[np.int32],
    owners: NDArray[np.int32],
    after: NDArray[np.float64],
    before: NDArray[np.float64],
    itself: bool,
    weights: NDArray[np.float32],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    most: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The lists of the items from `first` on, end to end; writes how long each is into `lengths`."""
    sums = np.zeros(len(columns), np.float64)
    touched = np.empty(len(columns), np.int32)
    ids = np.empty(len(lengths) * most, np.int32)
    scores = np.empty(len(lengths) * most, np.float32)
    filled = 0
    for at in range(len(lengths)):
        row = first + at
        count = 0
        for event in events[starts[row] : starts[row + 1]]:
            for shift in range(-len(before), len(after) + 1):
                other = event + shift
                if shift == 0 or other < 0 or other >= len(items) or owners[other] != owners[event]:
                    continue
                column = items[other]
                if column == row and not itself:
                    continue
                worth = (after[shift - 1] if shift > 0 else before[-shift - 1]) * weights[event]
                if worth <= 0.0:
                    continue
                if sums[column] == 0.0:
                    touched[count] = column
                    count += 1
                sums[column] += worth
        votes = np.empty(count, np.float64)
        for to in range(count):
            votes[to] = sums[touched[to]] * rows[row] * columns[touched[to]]
            sums[touched[to]] = 0.0
        found, worths = best(touched[:count], votes, most)
        ids[filled : filled + len(found)] = found
        scores[filled : filled + len(found)] = worths
        filled += len(found)
        lengths[at] = len(found)
    return ids[:filled].copy(), scores[:filled].copy()
