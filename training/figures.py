"""What the ranks come to: figures with their intervals, the lead of one row over each other, and bands of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.bootstrap import interval, resampled
from training.contest import Pools
from training.metrics import METRICS, gains, means
from training.predictions import Predictions
from training.standings import Standings

#: Where one band of prefix lengths ends and the next begins, and of a target's events in training.
_LENGTHS: Final = (1, 2, 3, 4, 5, 10)
_EVENTS: Final = (0, 1, 5, 20, 100)


@dataclass(frozen=True, slots=True)
class Figures:
    """By metric: the value, and its 95 % interval."""

    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]

    def report(self) -> dict[str, object]:
        return {**self.values, "intervals": {metric: list(ends) for metric, ends in self.intervals.items()}}


@dataclass(frozen=True, slots=True)
class Lead:
    """By how much one row is ahead of another, from the same resamples of both."""

    row: str
    minus: str
    figures: Figures

    def report(self) -> dict[str, object]:
        return {"row": self.row, "minus": self.minus, **self.figures.report()}


@dataclass(frozen=True, slots=True)
class Band:
    """Some of the predictions, and what every row made of them."""

    name: str
    predictions: int
    rows: Mapping[str, Mapping[str, float]]

    def report(self) -> dict[str, object]:
        return {"name": self.name, "predictions": self.predictions, "rows": self.rows}


def figures(predictions: Predictions, standings: Standings, ahead: str) -> tuple[dict[str, Figures], list[Lead]]:
    """Every row's figures, and the lead of the row `ahead`, if it took part, over each other."""
    owners, counts = np.unique(predictions.owners, return_inverse=True, return_counts=True)[1:]
    sums = np.concatenate([_summed(gains(ranks), owners, len(counts)) for ranks in standings.ranks], axis=1)
    shape = (-1, len(standings.rows), len(METRICS))
    values = (sums.sum(axis=0) / counts.sum()).reshape(shape[1:])
    drawn = resampled(sums, counts).reshape(shape)
    rows = {row: _figures(values[at], drawn[:, at]) for at, row in enumerate(standings.rows)}
    if ahead not in rows:
        return rows, []
    first = standings.rows.index(ahead)
    leads = [
        Lead(ahead, row, _figures(values[first] - values[at], drawn[:, first] - drawn[:, at]))
        for at, row in enumerate(standings.rows)
        if at != first
    ]
    return rows, leads


def _summed(values: NDArray[np.float64], owners: NDArray[np.int64], sessions: int) -> NDArray[np.float64]:
    """(sessions, metrics)"""
    return np.stack([np.bincount(owners, column, minlength=sessions) for column in values.T], axis=1)


def _figures(values: NDArray[np.float64], drawn: NDArray[np.float64]) -> Figures:
    lows, highs = interval(drawn).tolist()
    return Figures(
        dict(zip(METRICS, values.tolist(), strict=True)),
        dict(zip(METRICS, zip(lows, highs, strict=True), strict=True)),
    )


def by_length(predictions: Predictions, standings: Standings) -> list[Band]:
    """By how many events each was foretold from."""
    return _bands(_LENGTHS, predictions.lengths, standings)


def by_popularity(predictions: Predictions, standings: Standings, events: NDArray[np.int64]) -> list[Band]:
    """By how often the target was touched in training: `events` (items,)."""
    counts = np.append(events, 0)  # where UNKNOWN points
    return _bands(_EVENTS, counts[predictions.targets], standings)


def _bands(begins: Sequence[int], values: NDArray[np.int64], standings: Standings) -> list[Band]:
    ends = [*begins[1:], None]
    found = []
    for begin, end in zip(begins, ends, strict=True):
        within = np.flatnonzero((values >= begin) & (values < end if end is not None else True))
        rows = {row: means(ranks[within]) for row, ranks in zip(standings.rows, standings.ranks, strict=True)}
        found.append(Band(_name(begin, end), len(within), rows))
    return found


def _name(begin: int, end: int | None) -> str:
    return f"{begin}+" if end is None else str(begin) if end == begin + 1 else f"{begin}-{end - 1}"


@dataclass(frozen=True, slots=True)
class Share:
    """Of all predictions, those whose target a source brought: at all, as the first in order, and as the only one."""

    brought: float
    first: float
    alone: float


@dataclass(frozen=True, slots=True)
class Reach:
    """How often the target is in the pool at all, which no ranking can exceed, and who brought it there."""

    recall: float
    mean_size: float
    sources: Mapping[str, Share]

    def report(self) -> dict[str, object]:
        shares = {source: asdict(share) for source, share in self.sources.items()}
        return {"recall@200": self.recall, "mean_size": self.mean_size, "sources": shares}


def reach(pools: Pools, sources: Sequence[str]) -> Reach:
    """`sources` by their bit, which is also their order."""
    shares = {source: _share(pools.brought, np.uint32(1 << bit)) for bit, source in enumerate(sources)}
    return Reach(float((pools.brought > 0).mean()), float(pools.sizes.mean()), shares)


def _share(brought: NDArray[np.uint32], own: np.uint32) -> Share:
    has = brought & own > 0
    first = has & (brought & (own - np.uint32(1)) == 0)
    return Share(float(has.mean()), float(first.mean()), float((brought == own).mean()))
