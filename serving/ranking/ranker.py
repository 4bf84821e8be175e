"""The ranker: sessions go in, ranked items with their reasons come out.

The order of this release is weighted reciprocal-rank fusion of the pool's sources: a candidate scores
weight / (60 + rank) at each source that brought it. Ties break by item id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from schemas.recommendation import STORED, Item, Reason
from schemas.session import Session
from serving.ranking import reasons
from serving.ranking.pool import Pool, Quota, gather
from serving.ranking.reasons import Relation
from serving.ranking.sources.source import Source
from serving.ranking.table import Table

#: The constant of Cormack, Clarke and Buettcher (2009): it keeps the first few ranks from deciding alone.
_FUSION: Final = 60.0

EMPTY_CATALOGUE: Final = "empty_catalogue"
EMPTY_SESSION: Final = "empty_session"
UNKNOWN_ITEMS: Final = "unknown_items"


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What training chose for this shop from its log alone."""

    #: False where sessions hardly ever return to an item: then a session's own items are no candidates.
    repeats: bool
    relation: Relation
    #: By the name of the source.
    quotas: dict[str, int]
    weights: dict[str, float]

    def encode(self) -> bytes:
        return msgspec.json.encode(self, order="sorted")

    @classmethod
    def decode(cls, data: bytes) -> Options:
        """The options in `data`. ValueError when they are none."""
        options = msgspec.json.decode(data, type=cls)
        if any(quota < 1 for quota in options.quotas.values()):
            raise ValueError("a quota below 1")
        if not all(0 <= weight < np.inf for weight in options.weights.values()):
            raise ValueError("a weight that is not a finite number from 0 on")
        return options


@dataclass(frozen=True, slots=True)
class Ranked:
    """The answer for one session."""

    #: At most STORED of them, best first.
    items: tuple[Item, ...]
    pool_size: int
    #: Why this is not the ranker's best answer; None when it is.
    fallback: str | None = None
    #: The session vector as Redis holds it, once there is a model that makes one.
    vector: bytes | None = None


class Ranker:
    """One bundle, ready to answer. It never changes after construction, so threads may share it."""

    def __init__(
        self,
        table: Table,
        sources: Mapping[str, Source],
        options: Options,
        version: str,
        counts_version: str,
    ) -> None:
        self.version: Final = version
        self.counts_version: Final = counts_version
        self._table: Final = table
        self._options: Final = options
        self._names: Final = tuple(sources)
        self._quotas: Final = tuple(Quota(source, options.quotas[name]) for name, source in sources.items())
        self._weights: Final = np.array([options.weights[name] for name in sources], dtype=np.float64)

    def title(self, item_id: str) -> str:
        """What a person calls the item; its id where the bundle has no title for it."""
        return self._table.title(item_id)

    def rank(self, sessions: Sequence[Session], now: int, hidden: Collection[str] = frozenset()) -> list[Ranked]:
        """One answer a session, in their order, without the `hidden` items.

        `now` is the only clock: nothing in this release ages between two bundles, so it changes nothing yet.
        """
        barred = np.array(self._known(hidden), dtype=np.int32)
        return [self._rank(session, barred) for session in sessions]

    def _rank(self, session: Session, barred: NDArray[np.int32]) -> Ranked:
        if not len(self._table):
            return Ranked((), 0, EMPTY_CATALOGUE)
        known = self._known([action.item_id for action in session.recent])
        if not self._options.repeats:
            barred = np.concatenate((barred, np.array(known, dtype=np.int32)))
        pool = gather(self._quotas, known, barred)
        fallback = None if known else UNKNOWN_ITEMS if session.recent else EMPTY_SESSION
        return Ranked(self._order(pool), len(pool), fallback)

    def _known(self, items: Collection[str]) -> list[int]:
        index = self._table.index
        return [index[item_id] for item_id in items if item_id in index]

    def _order(self, pool: Pool) -> tuple[Item, ...]:
        shares = self._weights / (_FUSION + pool.ranks)  # (n, sources), 0 where absent
        scores = shares.sum(axis=1)  # (n,)
        best = np.argsort(-scores, kind="stable")[:STORED]
        sources = shares[best].argmax(axis=1)  # (60,) the source that speaks loudest
        because = pool.because[best, sources]
        rows = zip(pool.ids[best].tolist(), scores[best].tolist(), sources.tolist(), because.tolist(), strict=True)
        said: dict[tuple[int, int], Reason] = {}
        items = []
        for rank, (index, score, source, cause) in enumerate(rows, start=1):
            reason = said.get((source, cause))
            if reason is None:
                reason = said[source, cause] = self._reason(cause, index)
            items.append(Item(self._table.ids[index], rank, score, self._names[source], reason))
        return tuple(items)

    def _reason(self, cause: int, index: int) -> Reason:
        if cause < 0:
            return reasons.POPULAR
        if cause == index:
            return reasons.SEEN_IN_SESSION
        item_id = self._table.ids[cause]
        return reasons.together(self._options.relation, item_id, self._table.title(item_id))
