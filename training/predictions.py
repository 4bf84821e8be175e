"""What is foretold, of whichever row: every event after the first of its session, from all events before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.click import EventType
from schemas.session import RECENT_MAX
from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.sessions import DEEDS, Sessions
from serving.ranking.table import Table

#: An item that the bundle does not know. As a target no row can hit it, and none is spared it.
UNKNOWN: Final = -1
#: So small a share of views is no log of views: foretelling them alone would ask next to nothing.
_STRAY_MAX: Final = 0.01


def told_by(table: Table, past: Past) -> Sessions:
    """The past's sessions with the items as `table` has them, UNKNOWN where it does not."""
    indices = np.append(table.find(past.table.ids), UNKNOWN).astype(np.int32)
    return replace(past.sessions, items=indices[past.sessions.items], catalogue=len(table))


@dataclass(frozen=True, slots=True)
class Predictions:
    """Prediction k asks for event `events[k]` of `sessions`, whose items may lie outside the bundle's table."""

    sessions: Sessions
    events: NDArray[np.int64]  # (n,) places in sessions.items
    owners: NDArray[np.int64]  # (n,) the session of each
    targets: NDArray[np.int32]  # (n,) UNKNOWN where the bundle does not know the item

    @classmethod
    def of(cls, sessions: Sessions) -> Self:
        owners = sessions.owners
        events = np.arange(len(sessions.items))
        wanted = np.flatnonzero((events > sessions.starts[owners]) & (sessions.types == deed_of(sessions)))
        items = sessions.items[wanted]
        targets = np.where(_known(items, sessions.catalogue), items, UNKNOWN).astype(np.int32)
        return cls(sessions, wanted, owners[wanted], targets)

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Query]:
        """What each is foretold from."""
        past = self.sessions
        begins = past.starts[self.owners]
        for event, begin in zip(self.events.tolist(), begins.tolist(), strict=True):
            # As in production: the fold keeps the last RECENT_MAX, known or not, and ranking what it knows of them.
            recent = slice(max(begin, event - RECENT_MAX), event)
            kept = recent.start + np.flatnonzero(_known(past.items[recent], past.catalogue))
            yield Query(past.items[kept], past.types[kept], past.times[kept], int(past.times[event - 1]))

    def at(self, numbers: NDArray[np.int64]) -> Predictions:
        """These of them."""
        return Predictions(self.sessions, self.events[numbers], self.owners[numbers], self.targets[numbers])

    @property
    def moments(self) -> NDArray[np.int64]:
        """When each is foretold: at the event before it."""
        return self.sessions.times[self.events - 1]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many events each is foretold from."""
        return self.events - self.sessions.starts[self.owners]

    @property
    def deed(self) -> EventType:
        """What is foretold."""
        return DEEDS[deed_of(self.sessions)]

    @property
    def unseen(self) -> NDArray[np.bool_]:
        unseen: NDArray[np.bool_] = self.targets == UNKNOWN
        return unseen

    @property
    def unknown_last(self) -> NDArray[np.bool_]:
        """Where the bundle does not know the item just touched."""
        return ~_known(self.sessions.items[self.events - 1], self.sessions.catalogue)


def deed_of(sessions: Sessions) -> int:
    """What is foretold: views where the log has them, and not a stray one, else its commonest type."""
    counts = np.bincount(sessions.types, minlength=len(DEEDS))
    view = DEEDS.index("view")
    return view if counts[view] > _STRAY_MAX * counts.sum() else int(counts.argmax())


def known_share(sessions: Sessions) -> float:
    """Of the events, those about items that the bundle knows."""
    return float(_known(sessions.items, sessions.catalogue).mean()) if len(sessions.items) else 0.0


def _known(items: NDArray[np.int32], catalogue: int) -> NDArray[np.bool_]:
    return (items >= 0) & (items < catalogue)
