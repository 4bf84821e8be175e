"""`nextclick evaluate`: a ranker, the sources by themselves, and sessions that neither was trained on.

1. The sessions must lie after what was trained on.
2. Every event after the first of its session is foretold by every row, in one round or, with live counts, in many.
3. The ranks become figures with intervals, and these one report with the protocol they were measured under.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from schemas.errors import DataError
from serving.ranking.pool import POOL
from serving.ranking.sessions import Sessions
from training import bootstrap, overlap, rounds
from training.clock import written
from training.contest import FUSION, SOURCE_LIMIT
from training.coverage import Coverage, coverage
from training.figures import Band, Figures, Lead, Reach, by_length, by_popularity, figures, reach
from training.predictions import Predictions, known_share
from training.rounds import Round
from training.standings import Field, Show, compete

_SECOND_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Trained:
    """What a bundle says of itself, as far as its evaluation depends on it."""

    version: str
    #: The sessions it was counted from, as far as it carries them.
    snapshot: Sessions
    last_ts: int
    #: The sources of its pool, in their order.
    sources: tuple[str, ...]
    drop_last_item: bool


@dataclass(frozen=True, slots=True)
class Switches:
    live_counts_s: int | None = None
    allow_overlap: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    protocol: dict[str, object]
    predictions: int
    #: Of the predictions: their targets, and the items just touched, that the bundle does not know.
    unseen: float
    unknown_last: float
    rows: dict[str, Figures]
    differences: list[Lead]
    pool: Reach | None
    by_length: list[Band]
    by_popularity: list[Band]
    coverage: Coverage | None

    def report(self) -> dict[str, object]:
        return {
            "protocol": self.protocol,
            "predictions": self.predictions,
            "unseen_share": self.unseen,
            "unknown_last_share": self.unknown_last,
            "rows": {row: found.report() for row, found in self.rows.items()},
            "differences": [lead.report() for lead in self.differences],
            "pool": None if self.pool is None else self.pool.report(),
            "by_length": [band.report() for band in self.by_length],
            "by_popularity": [band.report() for band in self.by_popularity],
            "coverage": None if self.coverage is None else self.coverage.report(),
        }


def evaluate(
    test: Sessions, trained: Trained, field: Field, switches: Switches, threads: int, show: Show | None = None
) -> Evaluation:
    """Of `test`, whose items are those of the bundle's table. DataError when it overlaps, or asks nothing."""
    if len(test.items) and not known_share(test):
        detail = "the bundle knows no item of this log: evaluate one that was trained on this shop's items"
        raise DataError("unknown", f"{detail}, or name the column of their ids with --map item_id=COLUMN")
    # 1
    if not switches.allow_overlap:
        overlap.check(test, trained.snapshot, trained.last_ts)
    # 2
    predictions = Predictions.of(test)
    if not len(predictions):
        raise DataError("empty", "nothing to foretell: no session has a second event; evaluate on a longer log")
    standings = compete(predictions, _rounds(predictions, trained, switches.live_counts_s), field, threads, show)
    # 3
    rows, differences = figures(predictions, standings, FUSION)
    events = np.bincount(trained.snapshot.items, minlength=test.catalogue)
    return Evaluation(
        protocol=_protocol(predictions, trained, switches),
        predictions=len(predictions),
        unseen=float(predictions.unseen.mean()),
        unknown_last=float(predictions.unknown_last.mean()),
        rows=rows,
        differences=differences,
        pool=None if standings.pools is None else reach(standings.pools, trained.sources),
        by_length=by_length(predictions, standings),
        by_popularity=by_popularity(predictions, standings, events),
        coverage=None if standings.pools is None else coverage(standings.pools.listed, predictions.targets, events),
    )


def _rounds(predictions: Predictions, trained: Trained, live_counts_s: int | None) -> Iterable[Round]:
    if live_counts_s is None:
        return rounds.once(predictions, trained.snapshot)
    return rounds.live(predictions, trained.snapshot, live_counts_s * _SECOND_MS)


def _protocol(predictions: Predictions, trained: Trained, switches: Switches) -> dict[str, object]:
    """All that a figure depends on besides the data and the model."""
    test, every_s = predictions.sessions, switches.live_counts_s
    return {
        "bundle": trained.version,
        "task": f"every {predictions.deed} after the first event of its session, from all events before it",
        "order": "time, then row",
        "split": _split(test, trained),
        "ties": "count against the row; outside its list is a miss",
        "catalogue": test.catalogue,
        "lists": {"pool": POOL, "source": SOURCE_LIMIT, "transformer": "all items"},
        "counts": "as in the bundle" if every_s is None else f"made anew every {every_s} s of the log's own time",
        "live_counts_s": every_s,
        "drop_last_item": trained.drop_last_item,
        "allow_overlap": switches.allow_overlap,
        "intervals": {
            "share": 0.95,
            "method": "paired bootstrap over sessions",
            "sessions": len(np.unique(predictions.owners)),
            "resamples": bootstrap.RESAMPLES,
            "seed": bootstrap.SEED,
        },
    }


def _split(test: Sessions, trained: Trained) -> dict[str, object]:
    split: dict[str, object] = {"clock": test.clocked, "sessions": len(test), "events": len(test.items)}
    if test.clocked:
        first, last = int(test.times.min()), int(test.times.max())
        split |= {"trained_until": written(trained.last_ts), "first": written(first), "last": written(last)}
    return split
