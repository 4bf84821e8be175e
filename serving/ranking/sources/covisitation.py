"""Items that the same sessions touch close together: item-to-item co-visitation of the session's last items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking import arrays as packed
from serving.ranking.sessions import Sessions
from serving.ranking.sources.source import Arrays, Candidates

#: How far apart two events of a session may stand and still count as together.
WINDOW: Final = 10
#: What a pair counts read against the order it was clicked in.
BACKWARD: Final = 0.7
#: Added to an item's count before it is divided by: a pair seen once proves little, however rare its items.
SHRINK: Final = 10.0
NEIGHBOURS: Final = 100
#: How much each of the session's last items says, the last one first.
RECENCY: Final = tuple(1 / position for position in range(1, 11))
#: Events whose pairs are held at once while counting: 5 million pairs, about 200 MB.
_BLOCK_EVENTS: Final = 250_000


class Covisitation:
    name: ClassVar[str] = "covisitation"

    def __init__(
        self,
        starts: NDArray[np.int64],
        ids: NDArray[np.int32],
        scores: NDArray[np.float32],
        recency: NDArray[np.float32],
    ) -> None:
        self._starts = starts.tolist()  # (catalogue + 1,)
        self._ids = ids  # (neighbours,) of item i: starts[i] to starts[i + 1], best first
        self._scores = scores  # (neighbours,)
        self._recency = recency.tolist()

    @classmethod
    def fit(
        cls,
        sessions: Sessions,
        window: int = WINDOW,
        backward: float = BACKWARD,
        shrink: float = SHRINK,
        neighbours: int = NEIGHBOURS,
    ) -> Self:
        keys, counts = _count_pairs(sessions, window, backward)
        rows, columns = np.divmod(keys, max(sessions.catalogue, 1))
        events = np.bincount(sessions.items, minlength=sessions.catalogue) + shrink
        scores = (counts / np.sqrt(events[rows] * events[columns])).astype(np.float16)
        order = np.lexsort((columns, -scores, rows))
        begins = np.searchsorted(rows[order], np.arange(sessions.catalogue + 1))
        place = np.arange(len(order)) - begins[rows[order]]
        kept = order[(place < neighbours) & (scores[order] > 0)]
        starts = np.searchsorted(rows[kept], np.arange(sessions.catalogue + 1))
        ids, recency = columns[kept].astype(np.int32), np.array(RECENCY, dtype=np.float32)
        return cls(starts.astype(np.int64), ids, scores[kept].astype(np.float32), recency)

    @classmethod
    def read(cls, arrays: Arrays, catalogue: int) -> Self:
        ids = packed.vector(arrays, "ids", (np.uint16, np.int32))
        starts = packed.vector(arrays, "starts", (np.int64,))
        if len(starts) != catalogue + 1 or starts[0] != 0 or starts[-1] != len(ids) or (np.diff(starts) < 0).any():
            raise ValueError(f"`starts` does not divide {len(ids)} neighbours among {catalogue} items")
        return cls(
            starts,
            packed.indices(ids, "ids", catalogue).astype(np.int32),
            packed.finite(arrays, "scores", (np.float16,), len(ids)).astype(np.float32),
            packed.finite(arrays, "recency", (np.float32,)),
        )

    def arrays(self) -> Arrays:
        # Half the size: an index of a small catalogue fits 16 bits, and a score is good to one in a thousand.
        small = len(self._starts) <= np.iinfo(np.uint16).max
        return {
            "starts": np.array(self._starts, dtype=np.int64),
            "ids": self._ids.astype(np.uint16 if small else np.int32),
            "scores": self._scores.astype(np.float16),
            "recency": np.array(self._recency, dtype=np.float32),
        }

    def candidates(self, session: Sequence[int], limit: int) -> Candidates:
        last = list(dict.fromkeys(reversed(session)))[: len(self._recency)]
        spans = [(self._starts[item], self._starts[item + 1]) for item in last]
        ids = np.concatenate([self._ids[begin:end] for begin, end in spans] or [self._ids[:0]])
        if not len(ids):
            return Candidates(ids, np.zeros(0, dtype=np.float32), ids)
        votes = np.concatenate(
            [self._scores[begin:end] * weight for (begin, end), weight in zip(spans, self._recency, strict=False)]
        )
        voters = np.repeat(np.array(last, dtype=np.int32), [end - begin for begin, end in spans])
        order = np.lexsort((-votes, ids))  # an item's votes side by side, the strongest first
        ids, votes = ids[order], votes[order]
        first = np.flatnonzero(np.concatenate(([True], ids[1:] != ids[:-1])))
        # Summed in double and rounded: two sums that are equal on paper are then equal on every processor.
        scores = np.add.reduceat(votes, first, dtype=np.float64).astype(np.float32)
        best = np.argsort(-scores, kind="stable")[:limit]
        return Candidates(ids[first[best]], scores[best], voters[order[first[best]]])


def _count_pairs(sessions: Sessions, window: int, backward: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Every ordered pair of items that stood within `window` of each other, as row * catalogue + column."""
    keys: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    counts: NDArray[np.float64] = np.zeros(0, dtype=np.float64)
    items, owners = sessions.items.astype(np.int64), sessions.owners
    for begin in range(0, len(items), _BLOCK_EVENTS):
        found_keys, found_weights = [keys], [counts]
        for shift in range(1, window + 1):
            # Pairs begin inside the block and may reach over its edge.
            end = max(begin, min(begin + _BLOCK_EVENTS, len(items) - shift))
            before, after = slice(begin, end), slice(begin + shift, end + shift)
            found = (owners[before] == owners[after]) & (items[before] != items[after])
            left, right = items[before][found], items[after][found]
            found_keys += [left * sessions.catalogue + right, right * sessions.catalogue + left]
            found_weights += [np.full(len(left), 1 / shift), np.full(len(left), backward / shift)]
        keys, places = np.unique(np.concatenate(found_keys), return_inverse=True)
        counts = np.bincount(places, np.concatenate(found_weights), minlength=len(keys)).astype(np.float64)
    return keys, counts
