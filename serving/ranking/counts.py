"""How often each item is touched, as shares: all of the time, and lately. What features know of popularity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from serving.ranking import arrays as packed
from serving.ranking.sessions import Sessions

#: What lately means: a click counts half after a day.
HALF_LIFE_MS: Final = 24 * 3_600_000
#: Added to every count, so that what nobody touched has a logarithm too: a share of the average item's, since a
#: number of clicks would tell how many clicks there are.
_UNSEEN: Final = 0.03
#: The logarithm that nobody's item has.
UNTOUCHED: Final = float(np.log(_UNSEEN / (1 + _UNSEEN)))


@dataclass(frozen=True, slots=True)
class Counts:
    """Logarithms of shares, against the share of an item in a shop where all are equal: 0 is the average."""

    ever: NDArray[np.float32]  # (catalogue,)
    lately: NDArray[np.float32]  # (catalogue,)
    #: Epoch ms of the last event that was counted; 0 where there is no clock or no event, and so no age.
    until: int

    @classmethod
    def fit(cls, sessions: Sessions) -> Self:
        until = int(sessions.times.max()) if len(sessions.times) and sessions.clocked else 0
        ages = sessions.times.max(initial=0) - sessions.times
        ever = np.bincount(sessions.items, minlength=sessions.catalogue)
        lately = np.bincount(sessions.items, 0.5 ** (ages / HALF_LIFE_MS), minlength=sessions.catalogue)
        return cls(_logarithms(ever), _logarithms(lately), until)

    def grown(self, items: int) -> Self:
        """With so many items at the end that nobody has touched."""
        nobodys = np.full(items, UNTOUCHED if self.ever.any() else 0.0, dtype=np.float32)
        return type(self)(np.concatenate((self.ever, nobodys)), np.concatenate((self.lately, nobodys)), self.until)

    @classmethod
    def read(cls, arrays: Mapping[str, NDArray[Any]], catalogue: int) -> Self:
        until = packed.vector(arrays, "until", (np.int64,), 1)
        columns = [_logarithm(arrays, name, catalogue) for name in ("ever", "lately")]
        return cls(columns[0], columns[1], int(until[0]))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"ever": self.ever, "lately": self.lately, "until": np.array([self.until], dtype=np.int64)}

    def age_hours(self, now: int) -> float:
        return max(0, now - self.until) / 3_600_000 if self.until else 0.0


def _logarithms(counts: NDArray[Any]) -> NDArray[np.float32]:
    if not counts.any():
        return np.zeros(len(counts), dtype=np.float32)
    return np.asarray(np.log((counts / counts.mean() + _UNSEEN) / (1 + _UNSEEN)), dtype=np.float32)


def _logarithm(arrays: Mapping[str, NDArray[Any]], name: str, catalogue: int) -> NDArray[np.float32]:
    values: NDArray[np.float32] = packed.vector(arrays, name, (np.float32,), catalogue)
    if not np.isfinite(values).all():
        raise ValueError(f"`{name}` holds a value that is not a finite number")
    return values
