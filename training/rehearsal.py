"""The fusion period: the log's end, ranked by a model that has not seen it, to learn what to make of all the sources.

A prefix is seen under both regimes in which production works: with the counts of the period's start, as of the night
before, and with counts made again every so often, as `refresh` makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InvariantError
from serving.ranking.features import features, names
from serving.ranking.past import Past
from serving.ranking.pool import POOL
from serving.ranking.ranker import Considered, Ranker
from serving.ranking.refreshing import merged
from serving.ranking.sessions import Sessions
from training.listwise import Examples
from training.predictions import Predictions

#: Below so many predictions no correction is learned.
LEAST: Final = 2_000
#: With so many, nothing older than a day is looked at.
ENOUGH: Final = 10_000
_SHARE: Final = 0.2
_DAY_MS: Final = 24 * 3_600_000
_AT_ONCE: Final = 256

Told = Callable[[int, int], None]
#: The logits of a pool whose items nobody has touched; NaN where no words are known of one.
Bare = Callable[[Considered], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Split:
    """A log at the beginning of its fusion period."""

    base: Sessions
    period: Sessions

    @classmethod
    def of(cls, sessions: Sessions, most: int, enough: int = ENOUGH) -> Self:
        """The last fifth of the sessions, at most a day or `enough` predictions, whichever is more, and at most `most`.

        A day of a small shop says too little of how to order its lists. Who began before the period is cut there.
        """
        begun = sessions.times[sessions.starts[:-1]]
        asked = np.bincount(Predictions.of(sessions).owners, minlength=len(sessions))
        ahead = np.cumsum(asked[::-1])[::-1]  # predictions from each session on
        first = int(len(sessions) * (1 - _SHARE))
        if sessions.clocked and len(begun):
            day = int(np.searchsorted(begun, sessions.times.max() - _DAY_MS))
            first = max(first, min(day, int(np.count_nonzero(ahead > enough))))
        first = max(first, int(np.count_nonzero(ahead > most)))
        first = min(first, len(sessions))
        period = sessions.between(first, len(sessions))
        base = sessions.between(0, first)
        if sessions.clocked and len(period):
            base = base.where(base.times < period.times[0])
        return cls(base, period)

    @property
    def predictions(self) -> int:
        return len(Predictions.of(self.period))


@dataclass(frozen=True, slots=True)
class Scene:
    """Part of the period, and the ranker as it stood at its beginning."""

    ranker: Ranker
    asked: Predictions


def scenes(ranker: Ranker, split: Split, asked: Predictions, refreshes: int) -> Iterator[Scene]:
    """Once the whole period under the counts of its start, once in parts, the counts made again before each."""
    yield Scene(ranker, asked)
    if not split.period.clocked or not len(asked):
        return
    ended = split.period.times[split.period.starts[1:] - 1][split.period.owners]
    begins = np.quantile(asked.moments, np.arange(refreshes + 1) / (refreshes + 1)).astype(np.int64)[1:]
    for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), np.iinfo(np.int64).max], strict=True):
        part = np.flatnonzero((asked.moments >= begin) & (asked.moments < end))
        if len(part):
            over = split.period.where(ended < begin)  # never its own neighbour
            counted = Past(merged(split.base, over, begin), ranker.table)
            yield Scene(ranker.recounted(counted), asked.at(part))


def examples(scenes: Iterable[Scene], bare: Bare, most: int, threads: int, told: Told) -> Examples:
    """Every prefix whose next item is in its pool; `most` is at least as many as there can be."""
    found, filled = None, 0
    with ThreadPoolExecutor(threads) as pool:
        for scene in scenes:
            count = max(1, len(scene.asked) // _AT_ONCE)
            chunks = [scene.asked.at(rows) for rows in np.array_split(np.arange(len(scene.asked)), count)]
            for done, part in enumerate(pool.map(partial(_part, scene.ranker, bare), chunks), start=1):
                # Room for all at once, and memory as it is written to: to join parts would hold them twice.
                found = found or part.roomy(most)
                found.put(filled, part)
                filled += len(part)
                told(done, count)
    if found is None:
        raise InvariantError("a fusion period without a prediction")
    return found.first(filled)


def _part(ranker: Ranker, bare: Bare, asked: Predictions) -> Examples:
    queries, targets = list(asked), asked.targets.tolist()
    considered = ranker.consider(queries)
    kept = [at for at, target in enumerate(targets) if target in considered[at].pool.ids]
    found = np.zeros((len(kept), POOL, len(names(tuple(ranker.sources)))), dtype=np.float16)
    logits, alone = (np.zeros((len(kept), POOL), dtype=np.float16) for _ in range(2))
    sizes, places = np.zeros(len(kept), dtype=np.int16), np.zeros(len(kept), dtype=np.int16)
    for to, at in enumerate(kept):
        pool = considered[at].pool
        sizes[to] = size = len(pool)
        found[to, :size] = features(pool, queries[at], ranker.counts, ranker.table)
        logits[to, :size] = considered[at].logits
        alone[to, :size] = bare(considered[at])
        [places[to]] = np.flatnonzero(pool.ids == targets[at])
    return Examples(found, logits, alone, sizes, places, asked.owners[kept].astype(np.int32))
