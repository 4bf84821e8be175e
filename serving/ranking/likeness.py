"""Neighbours by likeness of vectors: every item's nearest others, looked up once, so that no query ever searches.

A catalogue of up to EXACT_MAX items is one group in which everybody is compared with everybody. A larger one is
divided into many, and an item is compared with those of the groups nearest to its own: a few are missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.ranking.compiled import compiled
from serving.ranking.tally import best

EXACT_MAX: Final = 100_000
#: Items compared with others at once: 100 MB of likenesses when these are 100,000.
_BLOCK: Final = 256
#: Items a group has on average, and how many groups each is compared with.
_GROUP_ITEMS: Final = 500
_NEAR_GROUPS: Final = 32
#: Rounds of moving the groups' centres, and items a centre is moved by.
_ROUNDS: Final = 5
_SAMPLE: Final = 40
#: A catalogue has so many items for each that is worth keeping as a neighbour; some are kept of the smallest too.
_ITEMS_A_NEIGHBOUR: Final = 50
_LEAST: Final = 50


def few(most: int, items: int) -> int:
    """How many neighbours of each item are worth their room: `most`, or what a small catalogue has of near ones."""
    return min(most, max(_LEAST, items // _ITEMS_A_NEIGHBOUR))


def nearest(
    vectors: NDArray[np.float32], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Of each item the `most` others with the greatest cosine above 0: how many there are, who, how like.

    Rows laid end to end, as Neighbours takes them. A vector of zeros has no neighbours and is nobody's.
    """
    lengths = np.linalg.norm(vectors, axis=1)
    known = np.flatnonzero(lengths > 0)
    unit = vectors[known] / lengths[known, None]  # (known, d)
    ids = np.full((len(vectors), most), -1, np.int32)
    scores = np.zeros((len(vectors), most), np.float32)
    for members, others in _groups(unit):
        compared = unit[others].T  # (d, others)
        for begin in range(0, len(members), _BLOCK):
            block = members[begin : begin + _BLOCK]
            _choose(unit[block] @ compared, known[block], known[others], ids, scores)
    found = ids >= 0
    return found.sum(axis=1), ids[found], scores[found]


def _groups(unit: NDArray[np.float32]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The items of a group, and those that they are compared with, both in order."""
    everybody = np.arange(len(unit))
    if len(unit) <= EXACT_MAX:
        yield everybody, everybody
        return
    centres = _centres(unit)
    own = _own(unit, centres)
    by_group = np.argsort(own, kind="stable")
    starts = np.searchsorted(own[by_group], np.arange(len(centres) + 1))
    near = np.argsort(-(centres @ centres.T), axis=1, kind="stable")[:, :_NEAR_GROUPS]
    for group in range(len(centres)):
        members = by_group[starts[group] : starts[group + 1]]
        yield members, np.sort(np.concatenate([by_group[starts[other] : starts[other + 1]] for other in near[group]]))


def _centres(unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Directions that divide the items into groups, by k-means on a sample."""
    count = len(unit) // _GROUP_ITEMS
    sample = unit[np.linspace(0, len(unit) - 1, count * _SAMPLE).astype(np.int64)]
    centres = sample[::_SAMPLE]
    for _ in range(_ROUNDS):
        own = _own(sample, centres)
        sums = np.zeros_like(centres)
        np.add.at(sums, own, sample)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, np.finfo(np.float32).tiny), centres)
    return centres


def _own(unit: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    """The nearest centre of each."""
    blocks = [unit[at : at + _BLOCK] for at in range(0, len(unit), _BLOCK)]
    return np.concatenate([(block @ centres.T).argmax(axis=1) for block in blocks])


@compiled
def _choose(
    likeness: NDArray[np.float32],
    members: NDArray[np.int64],
    others: NDArray[np.int64],
    ids: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> None:
    """Writes each member's best into its row of `ids` and `scores`."""
    most = ids.shape[1]
    found = np.empty(4 * most, np.int32)
    worths = np.empty(4 * most, np.float64)
    for row in range(len(members)):
        floor = np.float32(0.0)  # of equal ones the first come is the better, so only more than it takes a place
        count = 0
        for column in range(len(others)):
            if likeness[row, column] <= floor or others[column] == members[row]:
                continue
            found[count] = others[column]
            worths[count] = likeness[row, column]
            count += 1
            if count == len(found):
                first, kept = best(found, worths, most)
                found[:most], worths[:most] = first, kept
                floor, count = kept[most - 1], most
        first, kept = best(found[:count], worths[:count], most)
        ids[members[row], : len(first)] = first
        scores[members[row], : len(first)] = kept
