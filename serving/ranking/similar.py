"""Items like an item: an anchor goes in, its own pool is found, and the session's vector may have a say in the order.

    pool      80 that shoppers' ways join to it, 80 that the catalogue says are alike, 40 new ones; what one of these
              leaves free goes to the first
    score     (1 - share) x likeness to the item + share x likeness to the session vector, each standardised
              within the pool
    order     by that score; ties by item id

What popularity alone would bring is never asked for. What the anchor can offer is found once and remembered; what a
request adds is left out of it: items that are hidden, not there yet, or known to the session.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.recommendation import STORED, Item
from schemas.session import Session
from serving.ranking import reasons
from serving.ranking.kinship import Kinship, asking
from serving.ranking.pool import NOTHING
from serving.ranking.ranker import Ranker
from serving.ranking.scorer import Model, Scorer
from serving.ranking.sources import ALIKE
from serving.ranking.sources.attributes import Attributes
from serving.ranking.sources.covisitation import Covisitation
from serving.ranking.sources.item2vec import Item2Vec
from serving.ranking.sources.newcomers import Newcomers
from serving.ranking.sources.transformer import Transformer
from serving.ranking.titles import Titles
from serving.ranking.vectors import Rows

POOL: Final = 200
BY_WAYS: Final = 80
BY_ATTRIBUTES: Final = 80
NEW: Final = 40
#: New is what came after the bundle, or was created so lately.
NEW_MS: Final = 30 * 24 * 3_600_000
#: How much the session has to say where nobody says otherwise: docs/similar.md.
SHARE: Final = 0.25

UNKNOWN_ITEM: Final = "unknown_item"

#: How shoppers' ways join items, and how much each is heard.
_WAYS: Final[dict[str, int]] = {Covisitation.name: 100, Item2Vec.name: 60, Transformer.name: 80}
_SOURCES: Final = (Attributes.name, *_WAYS, Newcomers.name)
#: How far down a list is looked, so that something is left where much may not be shown.
_DEPTH: Final = 200
_FALLS: Final = 30.0
#: Known items that speak for one that came later.
_SPEAKERS: Final = 5
#: Anchors remembered, of about 15 KB each.
_REMEMBERED: Final = 2_048
_UNKNOWN: Final = -1
_NONE: Final = np.zeros(0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Alike:
    """The answer for one anchor."""

    #: At most STORED of them, best first.
    items: tuple[Item, ...]
    pool_size: int
    #: Whether the session had a say.
    personal: bool = False
    #: Why there is nothing; None when there is.
    fallback: str | None = None


@dataclass(frozen=True, slots=True)
class Reserve:
    """All that lists of one anchor are made from. Rows are candidates, each once, never the anchor."""

    ids: NDArray[np.int32]  # (n,)
    order: NDArray[np.int32]  # (n,) where they stand by their ids
    likeness: NDArray[np.float64]  # (n,) to the anchor
    sources: NDArray[np.uint8]  # (n,) places in _SOURCES: who speaks loudest for each
    #: Rows, the best first.
    ways: NDArray[np.int32]
    attributes: NDArray[np.int32]
    nearest: NDArray[np.int32]  # of all


class Similar:
    """Over one ranker. Threads may share it."""

    def __init__(self, ranker: Ranker, titles: Titles | None = None) -> None:
        table, model = ranker.table, ranker.model
        self.ranker: Final = ranker
        self._known: Final = len(table) if ranker.newcomers is None else ranker.newcomers.first
        self._titles: Final = Titles.of(map(table.titles.text, range(self._known))) if titles is None else titles
        grown = self._titles.grown(table.titles[self._known :])
        self._kinship: Final = Kinship(table, grown, ranker.sources.get(Attributes.name), self._known)
        self._model: Final = model if model is not None and model.width else None
        self._rows: Final = None if self._model is None else _rows(self._model)
        self._reserve: Final = lru_cache(_REMEMBERED)(self._found)

    def over(self, ranker: Ranker) -> Self:
        """The same over what this one's ranker has become; what only a bundle changes is not made again."""
        same = ranker.version == self.ranker.version
        return type(self)(ranker, self._titles if same else None)

    def like(
        self,
        item_id: str,
        now: int,
        session: Session | None = None,
        vector: bytes | None = None,
        share: float = SHARE,
        hidden: NDArray[np.bool_] = NOTHING,
        exclude: Collection[str] = (),
    ) -> Alike:
        """Items like this one, for the session if there is one.

        `vector` is what is stored of the session for this ranker's model; without it the session is encoded anew.
        """
        [anchor] = self.ranker.table.find([item_id]).tolist()
        if anchor == _UNKNOWN:
            return Alike((), 0, fallback=UNKNOWN_ITEM)
        reserve = self._reserve(anchor)
        rows = self._pool(reserve, self._shown(reserve, now, session, hidden, exclude), now)
        scores = _standardised(reserve.likeness[rows])
        wish = self._wish(session, vector, now) if session is not None and share > 0 else None
        if wish is not None and self._rows is not None:
            felt = self._rows.take(reserve.ids[rows], 0).astype(np.float32) @ wish
            scores = (1 - share) * scores + share * _standardised(felt.astype(np.float64))
        best = _descending(reserve.order[rows], scores)[:STORED]
        return Alike(self._items(anchor, reserve, rows[best], scores[best]), len(rows), wish is not None)

    def _shown(
        self,
        reserve: Reserve,
        now: int,
        session: Session | None,
        hidden: NDArray[np.bool_],
        exclude: Collection[str],
    ) -> NDArray[np.bool_]:
        """(n,) Who of the reserve may be."""
        table = self.ranker.table
        shown = table.created[reserve.ids] <= now
        if len(hidden):
            shown &= ~hidden[reserve.ids]
        known = [] if session is None else [*(a.item_id for a in session.recent), *session.cart, *session.bought]
        if barred := {*known, *exclude}:
            shown &= ~np.isin(reserve.ids, table.find(list(barred)))
        return shown

    def _pool(self, reserve: Reserve, shown: NDArray[np.bool_], now: int) -> NDArray[np.int64]:
        """The rows of at most POOL that are shown."""
        fresh = (reserve.ids >= self._known) | (self.ranker.table.created[reserve.ids] > now - NEW_MS)
        left = shown.copy()
        for rows, most in ((reserve.ways, BY_WAYS), (reserve.attributes, BY_ATTRIBUTES)):
            left[rows[left[rows]][:most]] = False
        left[reserve.nearest[(left & fresh)[reserve.nearest]][:NEW]] = False
        free = POOL - np.count_nonzero(shown & ~left)
        left[reserve.ways[left[reserve.ways]][:free]] = False
        return np.flatnonzero(shown & ~left)

    def _wish(self, session: Session, vector: bytes | None, now: int) -> NDArray[np.float32] | None:
        """The session vector; None where there is none to be had."""
        if self._model is None:
            return None
        if vector is not None and len(vector) == 2 * self._model.width:
            wish = np.frombuffer(vector, dtype=np.float16).astype(np.float32)
        else:
            [wish] = self._model.encode([self.ranker.query(session.recent, now)])
        return wish if np.isfinite(wish).all() and wish.any() else None

    def _items(
        self, anchor: int, reserve: Reserve, rows: NDArray[np.int64], scores: NDArray[np.float64]
    ) -> tuple[Item, ...]:
        table = self.ranker.table
        item_id, title = table.id(anchor), table.title(anchor)
        together = reasons.together(self.ranker.options.relation, item_id, title)
        alike = reasons.alike(item_id, title)
        sources = [_SOURCES[code] for code in reserve.sources[rows].tolist()]
        return tuple(
            map(
                Item,
                table.named(reserve.ids[rows].tolist()),
                range(1, STORED + 1),
                scores.tolist(),
                sources,
                [alike if source in ALIKE else together for source in sources],
            )
        )

    def _found(self, anchor: int) -> Reserve:
        kin = self._kinship.found(anchor)
        speakers = self._speakers(anchor, kin)
        brought = [self._brought(name, speakers) for name in _WAYS]
        ids = np.unique(np.concatenate([kin, self._late(anchor), *brought])).astype(np.int32)
        ids = ids[ids != anchor]
        order = self.ranker.table.order(ids)
        voices = np.stack([_voices(ids, some, _WAYS[name]) for name, some in zip(_WAYS, brought, strict=True)])
        ways, alike, near = voices.sum(axis=0), self._kinship.likeness(anchor, ids), self._near(anchor, ids)
        likeness = _standardised(ways) + _standardised(near) + _standardised(alike)
        by_ways, by_attributes = _descending(order, ways, near), _descending(order, alike, near)
        return Reserve(
            ids,
            order,
            likeness,
            self._sources(ids, voices),
            by_ways[ways[by_ways] > 0],
            by_attributes[alike[by_attributes] > 0],
            _descending(order, likeness),
        )

    def _late(self, anchor: int) -> NDArray[np.int32]:
        """Those that came after the bundle, the most alike first."""
        newcomers = self.ranker.newcomers
        return _NONE if newcomers is None else newcomers.nearest(asking(anchor), 2 * NEW).ids

    def _sources(self, ids: NDArray[np.int32], voices: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Of each the way that speaks loudest; attributes, where none does."""
        loudest = np.where(voices.any(axis=0), 1 + voices.argmax(axis=0), 0)
        return np.where(ids >= self._known, len(_SOURCES) - 1, loudest).astype(np.uint8)

    def _speakers(self, anchor: int, kin: NDArray[np.int32]) -> NDArray[np.int32]:
        """Whom the sources know: the anchor, or the known items most like it, the most alike last."""
        if anchor < self._known:
            return np.array([anchor], dtype=np.int32)
        alike, near = self._kinship.likeness(anchor, kin), self._near(anchor, kin)
        best = _descending(self.ranker.table.order(kin), alike, near)
        return kin[best[:_SPEAKERS]][::-1].copy()

    def _brought(self, name: str, speakers: NDArray[np.int32]) -> NDArray[np.int32]:
        source = self.ranker.sources.get(name)
        return _NONE if source is None else source.candidates(asking(*speakers), _DEPTH).ids

    def _near(self, anchor: int, ids: NDArray[np.int32]) -> NDArray[np.float64]:
        """Their vectors' cosines with the anchor's; 0 without a model."""
        if self._rows is None:
            return np.zeros(len(ids))
        [own] = self._rows.take(np.array([anchor], dtype=np.int32), 0).astype(np.float32)
        near: NDArray[np.float32] = self._rows.take(ids, 0).astype(np.float32) @ own
        return near.astype(np.float64)


def _rows(model: Model) -> Rows:
    return model.rows if isinstance(model, Scorer) else model.vectors


def _voices(ids: NDArray[np.int32], brought: NDArray[np.int32], weight: int) -> NDArray[np.float64]:
    """How loud a source speaks for each of the ids."""
    found = np.zeros(len(ids))
    kept = np.isin(brought, ids)
    found[np.searchsorted(ids, brought[kept])] = weight / (_FALLS + 1 + np.arange(len(brought))[kept])
    return found


def _descending(
    order: NDArray[np.int32], key: NDArray[np.float64], then: NDArray[np.float64] | None = None
) -> NDArray[np.int32]:
    """Rows by the first key, then by the next; equal ones by their ids."""
    return np.lexsort((order, -key) if then is None else (order, -then, -key)).astype(np.int32)


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """With a mean of 0 and a deviation of 1; all 0 where they are all the same."""
    deviation = values.std() if len(values) else 0.0
    return (values - values.mean()) / deviation if deviation > 0 else np.zeros(len(values))
