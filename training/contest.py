"""Who stands in the table: sources, each by itself, and the ranker by its parts.

A contestant is asked a few hundred predictions at a time, from several threads at once, and answers with the rank of
each target, once for every row it stands for: what is computed together is not computed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from serving.ranking.query import Query
from serving.ranking.sources.source import Source
from training.metrics import MISS, rank_of
from training.predictions import UNKNOWN

#: What a source by itself may bring: below this many nothing is measured.
SOURCE_LIMIT: Final = 500
#: Scores over the whole catalogue that are held at once: 16 million are 64 MB.
_BLOCK_SCORES: Final = 16_000_000

#: How many items of a list are kept, to see what all lists together show.
LISTED: Final = 20

FUSION: Final = "fusion"
#: What a judged pool is ordered by.
POOL_ROWS: Final = ("transformer_pool", "fusion_no_transformer", FUSION)


@dataclass(frozen=True, slots=True)
class Pools:
    """Of every prediction's pool, what the report tells."""

    sizes: NDArray[np.int32]  # (n,)
    brought: NDArray[np.uint32]  # (n,) bit k where source k brought the target; 0 where no source did
    listed: NDArray[np.int32]  # (n, LISTED) what the list begins with; UNKNOWN behind its end


@dataclass(frozen=True, slots=True)
class Marks:
    """What a contestant made of n predictions."""

    ranks: NDArray[np.int32]  # (rows, n) from 1, or MISS
    pools: Pools | None = None


class Contestant(Protocol):
    @property
    def rows(self) -> tuple[str, ...]:
        """The lines of the table that it stands for."""

    def marks(self, queries: Sequence[Query], targets: NDArray[np.int32]) -> Marks: ...


class Judged(Protocol):
    """A pool as the ranker scored it, one value a candidate."""

    @property
    def ids(self) -> NDArray[np.int32]: ...
    @property
    def sources(self) -> NDArray[np.uint32]:
        """Bit k where source k brought the candidate; 0 where the pool without the transformer alone has it."""

    @property
    def fusion(self) -> NDArray[np.floating]: ...
    @property
    def transformer(self) -> NDArray[np.floating]: ...
    @property
    def without_transformer(self) -> NDArray[np.floating]:
        """Not a finite number where only the transformer's own retrieval brought the candidate."""


class Judge(Protocol):
    """Of the ranker, what the table asks."""

    def judge(self, queries: Sequence[Query]) -> Sequence[Judged]: ...


class Shows(Protocol):
    """Of a placement, likewise."""

    def lists(self, queries: Sequence[Query]) -> list[list[int]]:
        """What each is shown, best first."""


class Encoder(Protocol):
    @property
    def vectors(self) -> NDArray[np.floating]:
        """(items, d)"""

    def encode(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """(queries, d); for a session without known items any vector will do."""


#: What is no candidate of a query, in any row: production's own rule.
Barred = Callable[[Query], NDArray[np.int32]]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source's own list is its ranking."""

    name: str
    source: Source
    barred: Barred

    @property
    def rows(self) -> tuple[str, ...]:
        return (self.name,)

    def marks(self, queries: Sequence[Query], targets: NDArray[np.int32]) -> Marks:
        ranks = [self._rank(query, target) for query, target in zip(queries, targets.tolist(), strict=True)]
        return Marks(np.array([ranks], dtype=np.int32))

    def _rank(self, query: Query, target: int) -> int:
        if target == UNKNOWN:
            return MISS
        barred = self.barred(query)
        found = self.source.candidates(query, SOURCE_LIMIT + min(len(barred), SOURCE_LIMIT))
        kept = np.flatnonzero(~np.isin(found.ids, barred))[:SOURCE_LIMIT]
        return rank_of(found.ids[kept], found.scores[kept], target)


@dataclass(frozen=True, slots=True)
class PoolRows:
    """The ranker's pool in its own three orders. What is dropped from it the ranker has dropped."""

    ranker: Judge
    rows: tuple[str, ...] = POOL_ROWS

    def marks(self, queries: Sequence[Query], targets: NDArray[np.int32]) -> Marks:
        ranks = np.full((len(self.rows), len(queries)), MISS, dtype=np.int32)
        sizes, brought = np.zeros(len(queries), dtype=np.int32), np.zeros(len(queries), dtype=np.uint32)
        listed = np.full((len(queries), LISTED), UNKNOWN, dtype=np.int32)
        for at, (judged, target) in enumerate(zip(self.ranker.judge(queries), targets.tolist(), strict=True)):
            orders = (judged.transformer, judged.without_transformer, judged.fusion)
            scores = dict(zip(POOL_ROWS, orders, strict=True))
            ranks[:, at] = [rank_of(judged.ids, scores[row], target) for row in self.rows]
            sizes[at] = np.count_nonzero(judged.sources)
            brought[at] = np.bitwise_or.reduce(judged.sources[judged.ids == target])
            best = _best(judged)
            listed[at, : len(best)] = best
        return Marks(ranks, Pools(sizes, brought, listed))


def _best(judged: Judged) -> NDArray[np.int32]:
    """What the list begins with: ties by item id, as production breaks them."""
    ranked = np.flatnonzero(np.isfinite(judged.fusion))
    order = np.lexsort((judged.ids[ranked], -judged.fusion[ranked]))[:LISTED]
    return judged.ids[ranked[order]]


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """What a placement shows: the rank of the target is its place there, and there are no ties."""

    placement: str
    shows: Shows

    @property
    def rows(self) -> tuple[str, ...]:
        return (f"{FUSION}@{self.placement}",)

    def marks(self, queries: Sequence[Query], targets: NDArray[np.int32]) -> Marks:
        shown = zip(self.shows.lists(queries), targets.tolist(), strict=True)
        ranks = [items.index(target) + 1 if target in items else MISS for items, target in shown]
        return Marks(np.array([ranks], dtype=np.int32))


class CatalogueRow:
    """The transformer over everything there is, no pool between."""

    rows: ClassVar = ("transformer",)

    def __init__(self, encoder: Encoder, barred: Barred) -> None:
        self._encoder = encoder
        self._barred = barred
        self._vectors = np.ascontiguousarray(encoder.vectors.T, dtype=np.float32)  # (d, items)

    def marks(self, queries: Sequence[Query], targets: NDArray[np.int32]) -> Marks:
        sessions = self._encoder.encode(queries)  # (n, d)
        barred = [self._barred(query) for query in queries]
        ranks = np.full(len(queries), MISS, dtype=np.int32)
        block = max(1, _BLOCK_SCORES // max(self._vectors.shape[1], 1))
        for begin in range(0, len(queries), block):
            part = begin + np.flatnonzero(targets[begin : begin + block] != UNKNOWN)
            if len(part):
                ranks[part] = self._ranks(sessions[part], targets[part], [barred[at] for at in part.tolist()])
        return Marks(ranks[None])

    def _ranks(
        self, sessions: NDArray[np.float32], targets: NDArray[np.int32], barred: Sequence[NDArray[np.int32]]
    ) -> NDArray[np.int64]:
        scores = sessions @ self._vectors  # (n, items)
        for row, away in zip(scores, barred, strict=True):
            row[away] = np.nan  # at or above nothing: neither ranked nor in the way
        above: NDArray[np.bool_] = scores >= scores[np.arange(len(targets)), targets][:, None]
        ranks: NDArray[np.int64] = above.sum(axis=1)  # itself among them
        return ranks
