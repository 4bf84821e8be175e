"""Past sessions cut into the pieces that the transformer learns from, and these into batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.ranking.scorer import LENGTH_MAX
from serving.ranking.sessions import Sessions

#: How many batches' windows are sorted by length together: little padding, and the order still a shuffled one.
_SORTED: Final = 16


@dataclass(frozen=True, slots=True)
class Batch:
    """b windows, each at the end of its row of t places; the last place of a window is a target alone."""

    items: NDArray[np.int64]  # (b, t + 1)
    types: NDArray[np.int64]  # (b, t + 1)
    gaps: NDArray[np.float32]  # (b, t + 1) seconds since the event before
    lengths: NDArray[np.int64]  # (b,) without the last target
    weights: NDArray[np.float32]  # (b, t) of the target after each place; 0 where there is none


@dataclass(frozen=True, slots=True)
class Windows:
    """Window w is events[begins[w]:ends[w]], two at least; `fresh` are its targets that no other window has."""

    sessions: Sessions
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    fresh: NDArray[np.int64]  # (windows,) the first event that is a target in this one
    weights: NDArray[np.float32]  # (events,) 0 for what is no target
    gaps: NDArray[np.float32]  # (events,)

    @classmethod
    def cut(cls, sessions: Sessions, weights: NDArray[np.float32], length: int = LENGTH_MAX) -> Windows:
        """Of a long session overlapping windows, so that every event is once a target with half a window behind it."""
        stride = max(1, length // 2)
        # The first window ends after length + 1 events, each further one stride events later.
        counts = np.maximum(0, 1 + -(-(sessions.lengths - length - 1) // stride))
        counts[sessions.lengths < 2] = 0
        counts[(sessions.lengths >= 2) & (counts == 0)] = 1
        owners = np.repeat(np.arange(len(sessions)), counts)
        numbers = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
        begins = sessions.starts[owners] + numbers * stride
        ends = np.minimum(begins + length + 1, sessions.starts[owners + 1])
        fresh = np.where(numbers > 0, begins - stride + length + 1, begins + 1)
        gaps = np.diff(sessions.times, prepend=sessions.times[:1]) / 1000
        gaps[sessions.starts[:-1][sessions.lengths > 0]] = 0
        return cls(sessions, begins, ends, fresh, weights, gaps.astype(np.float32))

    def __len__(self) -> int:
        return len(self.begins)

    @property
    def targets(self) -> NDArray[np.int64]:
        """(windows,) places with something after them."""
        return self.ends - self.begins - 1

    def batches(self, targets: int, chance: np.random.Generator) -> Iterator[Batch]:
        """All windows once, about so many targets at a time, those of like lengths together, in an order by chance."""
        shuffled = chance.permutation(len(self))
        parts: list[NDArray[np.int64]] = []
        together = max(1, int(_SORTED * targets / self.targets.mean())) if len(self) else 1
        for at in range(0, len(shuffled), together):
            part = shuffled[at : at + together]
            part = part[np.argsort(self.targets[part], kind="stable")]
            number = np.cumsum(self.targets[part]) // targets
            parts += np.split(part, np.flatnonzero(np.diff(number)) + 1)
        for each in chance.permutation(len(parts)).tolist():
            yield self._batch(parts[each])

    def _batch(self, windows: NDArray[np.int64]) -> Batch:
        lengths = self.ends[windows] - self.begins[windows]
        width = int(lengths.max())
        places = self.ends[windows][:, None] + np.arange(-width, 0)  # (b, t + 1)
        inside = places >= self.begins[windows][:, None]
        places = np.where(inside, places, self.begins[windows][:, None])
        wanted = places[:, 1:] >= self.fresh[windows][:, None]
        return Batch(
            items=self.sessions.items[places].astype(np.int64),
            types=self.sessions.types[places].astype(np.int64),
            gaps=np.where(inside, self.gaps[places], 0).astype(np.float32),
            lengths=lengths - 1,
            weights=np.where(inside[:, 1:] & wanted, self.weights[places[:, 1:]], 0).astype(np.float32),
        )
