"""An event log as arrays: the sessions every source is fitted on, and the items they are about."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.click import Click, EventType
from schemas.errors import DataError
from serving.ranking.sessions import Sessions
from serving.ranking.table import Table

#: What the fold puts among a session's recent items.
_DEEDS: Final[frozenset[EventType]] = frozenset({"view", "cart", "purchase", "like"})


@dataclass(frozen=True, slots=True)
class Past:
    """Everything a bundle is counted from."""

    table: Table
    sessions: Sessions
    types: Counter[EventType]

    @property
    def repeat_share(self) -> float:
        """How many of the steps within sessions lead to an item the session has had."""
        events, begun = len(self.sessions.items), len(self.sessions)
        distinct = len(np.unique(self.sessions.owners * len(self.table) + self.sessions.items))
        return (events - distinct) / (events - begun) if events > begun else 0.0


def gather(clicks: Iterable[Click], titles: Mapping[str, str]) -> Past:
    """One pass over the log. A session in which consent was withdrawn is left out whole, as the fold erases it."""
    numbers: dict[str, int] = {}
    seen: dict[str, int] = {}
    refused: set[int] = set()
    types: Counter[EventType] = Counter()
    owners, items, times = array("q"), array("q"), array("q")
    for click in clicks:
        owner = numbers.setdefault(click.session_id, len(numbers))
        if not click.consent:
            refused.add(owner)
        elif click.type in _DEEDS:
            owners.append(owner)
            items.append(seen.setdefault(click.touched[0], len(seen)))
            times.append(click.ts)
            types[click.type] += 1
    table = Table({item: titles.get(item, "") for item in {*seen, *titles}})
    index = np.array([table.index[item] for item in seen], dtype=np.int32)
    return Past(table, _sessions(owners, index, items, times, refused, len(table)), types)


def _sessions(
    owners: array[int], index: NDArray[np.int32], items: array[int], times: array[int], refused: set[int], size: int
) -> Sessions:
    """Session after session, each in the order of (ts, row)."""
    owner, ts = np.array(owners, dtype=np.int64), np.array(times, dtype=np.int64)
    kept = np.flatnonzero(~np.isin(owner, list(refused)))
    if not len(kept):
        raise DataError("empty", "no event to learn from: only impressions, removals or withdrawn consent")
    order = kept[np.lexsort((ts[kept], owner[kept]))]  # stable: equal times stay in the order of their rows
    begins = np.flatnonzero(np.diff(owner[order], prepend=-1))
    starts = np.append(begins, len(order)).astype(np.int64)
    return Sessions(index[np.array(items, dtype=np.int64)[order]], ts[order], starts, size)
