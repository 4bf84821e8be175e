"""Votes counted in tables as large as the question, never as the catalogue: the kernels under every source.

A table is a hash of places (`slots`) over dense arrays in the order of arrival. Sums are made in that order, so they
depend on no hash, and the same question gives the same bits everywhere.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from serving.ranking.compiled import compiled

#: Indices of a catalogue: the small form where it is small enough.
Indices = NDArray[np.uint16] | NDArray[np.int32]

T = TypeVar("T", bound=np.generic)

_EMPTY: Final = -1
#: 2^32 divided by the golden ratio: Knuth's multiplier, which scatters neighbouring keys.
_SCATTER: Final = 2_654_435_769
_LOW_32: Final = 0xFFFF_FFFF
#: Parts up to this long are sorted by insertion.
_SHORT: Final = 12
#: How many may vote at once; a power of two.
VOTERS_MAX: Final = 256


def narrow(indices: NDArray[np.int32], catalogue: int) -> Indices:
    """The same in half the size, where 16 bits hold them all."""
    if catalogue <= np.iinfo(np.uint16).max:
        return sealed(indices.astype(np.uint16))
    return sealed(indices)


def sealed(array: NDArray[T]) -> NDArray[T]:
    """The same for reading alone, as if from a mapped file: kernels are then compiled once for both."""
    view = array.view()
    view.flags.writeable = False
    return view


@compiled
def latest(items: NDArray[np.int32], limit: int) -> NDArray[np.int32]:
    """The last different items, the very last first."""
    found = np.empty(min(limit, len(items)), np.int32)
    count = 0
    at = len(items) - 1
    while at >= 0 and count < len(found):
        new = True
        for earlier in found[:count]:
            new &= earlier != items[at]
        if new:
            found[count] = items[at]
            count += 1
        at -= 1
    return found[:count]


@compiled
def slots(keys: int) -> NDArray[np.int32]:
    """An empty table for up to `keys` different keys, at most half full."""
    size = 16
    while size < 2 * keys:
        size *= 2
    return np.full(size, _EMPTY, np.int32)


@compiled
def place(table: NDArray[np.int32], known: NDArray[np.int32], count: int, key: int) -> int:
    """Where `key` stands among the `count` known ones; `count` when it is new, and then it is entered there."""
    mask = len(table) - 1
    slot = (((key * _SCATTER) & _LOW_32) >> 7) & mask
    while table[slot] != _EMPTY:
        found: int = table[slot]
        if known[found] == key:
            return found
        slot = (slot + 1) & mask
    table[slot] = count
    known[count] = key
    return count


@compiled
def find(table: NDArray[np.int32], known: NDArray[np.int32], key: int) -> int:
    """Where `key` stands, -1 when it is not there."""
    mask = len(table) - 1
    slot = (((key * _SCATTER) & _LOW_32) >> 7) & mask
    while table[slot] != _EMPTY:
        found: int = table[slot]
        if known[found] == key:
            return found
        slot = (slot + 1) & mask
    return _EMPTY


@compiled
def sort_first(keys: NDArray[np.int64], limit: int) -> None:
    """Puts the `limit` smallest of the keys first, in order; what comes after them is in none."""
    waiting = np.empty((64, 2), np.int64)  # the larger half always waits, so 64 are enough for any length
    waiting[0, 0], waiting[0, 1] = 0, len(keys)
    depth = 1
    while depth:
        depth -= 1
        begin, end = waiting[depth, 0], waiting[depth, 1]
        while end - begin > _SHORT:
            left, right = split(keys, begin, end)
            if left >= limit:
                end = right
            elif right - begin > end - left:
                waiting[depth, 0], waiting[depth, 1] = begin, right
                depth += 1
                begin = left
            else:
                waiting[depth, 0], waiting[depth, 1] = left, end
                depth += 1
                end = right
        for at in range(begin + 1, end):
            key = keys[at]
            to = at
            while to > begin and keys[to - 1] > key:
                keys[to] = keys[to - 1]
                to -= 1
            keys[to] = key


@compiled
def split(keys: NDArray[np.int64], begin: int, end: int) -> tuple[int, int]:
    """Orders keys[begin:end] into a part up to `right` of the smaller and one from `left` on of the larger."""
    # The middle one of three as the pivot, so that keys in order already are no bad case.
    low, middle, high = keys[begin], keys[(begin + end) // 2], keys[end - 1]
    pivot = max(min(low, middle), min(max(low, middle), high))
    left, right = begin, end - 1
    while left <= right:
        while keys[left] < pivot:
            left += 1
        while keys[right] > pivot:
            right -= 1
        if left <= right:
            keys[left], keys[right] = keys[right], keys[left]
            left += 1
            right -= 1
    return left, right + 1


@compiled
def nth(keys: NDArray[np.int64], place: int) -> np.int64:
    """What would stand at `place` if the keys were in order; they are in some other one afterwards."""
    begin, end = 0, len(keys)
    while end - begin > _SHORT:
        left, right = split(keys, begin, end)
        if place < right:
            end = right
        elif place >= left:
            begin = left
        else:
            return np.int64(keys[place])
    keys[begin:end].sort()
    return np.int64(keys[place])


@compiled
def _ordinal(bits: int, item: int) -> np.int64:
    """Sorts as a score from high to low, told by its bits, and equal scores as their items.

    Floats above 0 sort as their bits do, so score and item fit one whole number: no order of pairs has to be kept.
    """
    return (np.int64(0x7FFF_FFFF - bits) << 32) | np.int64(item)


@compiled
def leading(ids: NDArray[np.int32], sums: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    """Where the `best` of them, each there once, stand, in the order they stand in; `limit` is 1 at least."""
    bits = sums.astype(np.float32).view(np.int32)
    keys = np.empty(len(ids), np.int64)
    rows = np.empty(len(ids), np.int64)
    count = 0
    for at in range(len(ids)):
        if bits[at] > 0:
            keys[count], rows[count] = _ordinal(bits[at], ids[at]), at
            count += 1
    if count <= limit:
        return rows[:count]
    last = nth(keys[:count].copy(), limit - 1)
    found = np.empty(limit, np.int64)
    filled = 0
    for at in range(count):
        if keys[at] <= last:
            found[filled] = rows[at]
            filled += 1
    return found


@compiled
def best(
    ids: NDArray[np.int32], sums: NDArray[np.float64], limit: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The ids with the highest sums above 0, and these sums, rounded; equal ones by id.

    Sums are made in double and compared once rounded: two that are equal on paper are then equal on every processor.
    """
    scores = sums.astype(np.float32)
    bits = scores.view(np.int32)
    keys = np.empty(len(ids), np.int64)
    count = 0
    for at in range(len(ids)):
        if bits[at] > 0:
            keys[count] = _ordinal(bits[at], ids[at])
            count += 1
    keys = keys[:count]
    count = min(count, limit)
    sort_first(keys, count)
    first = np.empty(count, np.int32)
    rounded = np.empty(count, np.int32)
    for at in range(count):
        first[at] = keys[at] & _LOW_32
        rounded[at] = 0x7FFF_FFFF - (keys[at] >> 32)
    return first, rounded.view(np.float32)


class Ballot(NamedTuple):
    """Votes for items, each with the one who cast it. Kernels take it apart: to pass it on whole costs a vote's time
    again, since every array in it is then counted as held."""

    table: NDArray[np.int32]
    items: NDArray[np.int32]
    sums: NDArray[np.float64]
    #: The strongest vote, its last bits given up for the place of its voter, so that one comparison settles both.
    strongest: NDArray[np.int64]


@compiled
def ballot(votes: int) -> Ballot:
    """For at most so many votes."""
    return Ballot(slots(votes), np.empty(votes, np.int32), np.zeros(votes, np.float64), np.zeros(votes, np.int64))


@compiled
def vote(
    table: NDArray[np.int32],
    items: NDArray[np.int32],
    sums: NDArray[np.float64],
    strongest: NDArray[np.int64],
    count: int,
    item: int,
    worth: float,
    voter: int,
) -> int:
    """Adds a vote from 0 on for `item` where `count` items have some; how many have some then.

    `voter` is a place among fewer than VOTERS_MAX; of equal votes that of the first place is the strongest.
    """
    row = place(table, items, count, item)
    sums[row] += worth
    # Floats from 0 on compare as their bits do.
    bits = np.float64(worth).view(np.int64) | (VOTERS_MAX - 1)
    strongest[row] = max(strongest[row], bits - voter)
    return count + (row == count)


@compiled
def elected(
    table: NDArray[np.int32],
    items: NDArray[np.int32],
    sums: NDArray[np.float64],
    strongest: NDArray[np.int64],
    count: int,
    voters: NDArray[np.int32],
    limit: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
    """The items with the most, their sums, and whose vote for each was the strongest."""
    ids, scores = best(items[:count], sums[:count], limit)
    strong = np.empty(len(ids), np.int32)
    for at in range(len(ids)):
        row = find(table, items, int(ids[at]))
        strong[at] = voters[VOTERS_MAX - 1 - (strongest[row] & (VOTERS_MAX - 1))]
    return ids, scores, strong
