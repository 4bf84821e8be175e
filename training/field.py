"""Everyone who competes, counted from the same sessions: the sources each by itself, and the ranker by its parts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from schemas.errors import UsageError
from schemas.placement import Placement
from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.sessions import Sessions
from serving.ranking.sources.covisitation import Covisitation
from serving.ranking.sources.item2vec import Item2Vec
from serving.ranking.sources.item_cf import ItemCf
from serving.ranking.sources.markov import Markov
from serving.ranking.sources.popular import Popular
from serving.ranking.sources.session_knn import SessionKnn
from serving.ranking.sources.source import Source
from serving.ranking.sources.vmis_knn import VmisKnn
from serving.ranking.table import Table
from training.contest import POOL_ROWS, CatalogueRow, Contestant, Encoder, Judge, PlacedRow, PoolRows, Shows, SourceRow

_DAY_MS: Final = 24 * 3_600_000

#: How a source that the ranker does not have is counted, by the name of its row.
Baselines = Mapping[str, Callable[[Past], Source]]

BASELINES: Final[Baselines] = {
    "popularity": lambda past: Popular.fit(past, half_life_ms=float("inf")),
    "popularity_recent": lambda past: Popular.fit(past, half_life_ms=_DAY_MS),
    "markov": Markov.fit,
    "item_cf": ItemCf.fit,
    "covisitation": Covisitation.fit,
    "item2vec": Item2Vec.fit,
    "session_knn": SessionKnn.fit,
    "vmis_knn": VmisKnn.fit,
}
SOURCES: Final = tuple(BASELINES)
#: The table from top to bottom.
ROWS: Final = (*SOURCES, *CatalogueRow.rows, *POOL_ROWS)


class Ranker(Judge, Protocol):
    """Of production's ranker, what competes."""

    @property
    def table(self) -> Table: ...
    @property
    def sources(self) -> Mapping[str, Source]:
        """As the bundle holds them, in the order of the pool."""

    def barred(self, query: Query) -> NDArray[np.int32]:
        """What is no candidate of the query."""

    @property
    def model(self) -> Encoder | None: ...

    def recounted(self, past: Past) -> Self:
        """The same model over counts of this past."""

    def placed(self, placement: Placement) -> Shows:
        """What it shows in a placement."""


@dataclass(frozen=True, slots=True)
class Field:
    """Who competes for some rows of the table."""

    ranker: Ranker
    #: What the ranker's own counts come from: for these nothing is counted again.
    snapshot: Sessions
    rows: Collection[str] = ROWS
    baselines: Baselines = field(default_factory=lambda: BASELINES)
    #: Each has a row of its own, beside those.
    placements: Sequence[Placement] = ()

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.rows) - set(ROWS)):
            raise UsageError(f"the table has no row {', '.join(unknown)}; it has {', '.join(ROWS)}")

    def __call__(self, counted: Sessions) -> list[Contestant]:
        past = Past(counted, self.ranker.table)
        ranker = self.ranker if counted is self.snapshot else self.ranker.recounted(past)
        encoder = ranker.model
        sources = {row: self._source(row, ranker, past) for row in SOURCES if row in self.rows}
        contestants: list[Contestant] = [SourceRow(row, source, ranker.barred) for row, source in sources.items()]
        if encoder is not None and not set(CatalogueRow.rows).isdisjoint(self.rows):
            contestants.append(CatalogueRow(encoder, ranker.barred))
        if pooled := tuple(row for row in POOL_ROWS if row in self.rows):
            contestants.append(PoolRows(ranker, pooled))
        return [*contestants, *(PlacedRow(each.name, ranker.placed(each)) for each in self.placements)]

    def _source(self, row: str, ranker: Ranker, past: Past) -> Source:
        """The ranker's own where it has one, tuned as the bundle says."""
        own = ranker.sources.get(row)
        return self.baselines[row](past) if own is None else own
