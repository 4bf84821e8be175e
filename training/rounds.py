"""When the counts are made anew while evaluating: once for all, or at the start of every bucket of wall-clock time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.errors import UsageError
from serving.ranking.refreshing import merged
from serving.ranking.sessions import Sessions
from training.predictions import Predictions


@dataclass(frozen=True, slots=True)
class Round:
    """Predictions that are made from the same counts."""

    numbers: NDArray[np.int64]  # (n,) which of them all
    counted: Sessions


def once(predictions: Predictions, snapshot: Sessions) -> list[Round]:
    """All from the counts that came with the bundle."""
    return [Round(np.arange(len(predictions)), snapshot)]


def live(predictions: Predictions, snapshot: Sessions, bucket_ms: int) -> Iterator[Round]:
    """A round a bucket with anything to foretell, from the snapshot and the test sessions before the bucket's start.

    Only sessions that were over by then are counted. One that goes on in the bucket is foretold there, and would
    find itself among its neighbours; to leave all of those out costs the few minutes that they had lasted, and one
    set of counts then serves the whole bucket.
    """
    sessions = predictions.sessions
    if not sessions.clocked:
        raise UsageError("--live-counts needs a clock, and this log has none; evaluate it without")
    ended = sessions.times[sessions.starts[1:] - 1]
    buckets = predictions.moments // bucket_ms
    for bucket in np.unique(buckets).tolist():
        begin = bucket * bucket_ms
        over = sessions.where((ended < begin)[sessions.owners])
        counted = merged(snapshot, over, begin) if len(over) else snapshot
        yield Round(np.flatnonzero(buckets == bucket), counted)
