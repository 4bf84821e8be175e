"""A snapshot and the stream after it become one past, from which counts are made anew."""

from __future__ import annotations

import numpy as np

from serving.ranking.sessions import Sessions


def merged(snapshot: Sessions, since: Sessions, until: int) -> Sessions:
    """The snapshot's sessions and, of those after its watermark, the events before `until` (epoch ms).

    Items that neither knows are left out. A session that the watermark cut counts as two.
    """
    known = (since.items >= 0) & (since.items < since.catalogue)
    late = since.where(known & (since.times < until))
    return _in_order(_joined(snapshot, late))


def _joined(snapshot: Sessions, late: Sessions) -> Sessions:
    return Sessions(
        np.concatenate((snapshot.items, late.items)),
        np.concatenate((snapshot.types, late.types)),
        np.concatenate((snapshot.times, late.times)),
        np.concatenate((snapshot.starts, late.starts[1:] + snapshot.starts[-1])),
        max(snapshot.catalogue, late.catalogue),
        snapshot.clocked and late.clocked,
    )


def _in_order(sessions: Sessions) -> Sessions:
    """The same, in the order they began: a stream may deliver what is older than the snapshot's end."""
    begun = sessions.times[sessions.starts[:-1]]
    if (begun[1:] >= begun[:-1]).all():
        return sessions
    order = np.argsort(begun, kind="stable")
    lengths = sessions.lengths[order]
    starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    events = np.repeat(sessions.starts[order] - starts[:-1], lengths) + np.arange(len(sessions.items))
    return Sessions(
        sessions.items[events],
        sessions.types[events],
        sessions.times[events],
        starts,
        sessions.catalogue,
        sessions.clocked,
    )
