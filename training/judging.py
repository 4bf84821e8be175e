"""The ranker as evaluation asks it: the whole, the transformer alone, and the whole without the transformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from schemas.placement import Placement
from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.ranker import Considered, Ranker
from serving.ranking.scorer import Model
from serving.ranking.sources.source import Source
from serving.ranking.sources.transformer import Transformer
from serving.ranking.table import Table
from training.placed import Placed


@dataclass(frozen=True, slots=True)
class Judgement:
    """The candidates of both pools; a score that is not finite where the other pool alone has them."""

    ids: NDArray[np.int32]
    sources: NDArray[np.uint32]  # bit k where source k brought the candidate
    fusion: NDArray[np.float64]
    transformer: NDArray[np.float64]
    without_transformer: NDArray[np.float64]


class Judging:
    def __init__(self, ranker: Ranker, blind: Model | None) -> None:
        self._ranker = ranker
        self._blind_model = blind
        self._blind = without_transformer(ranker, blind)

    @property
    def table(self) -> Table:
        return self._ranker.table

    @property
    def sources(self) -> Mapping[str, Source]:
        return self._ranker.sources

    def barred(self, query: Query) -> NDArray[np.int32]:
        return self._ranker.barred(query)

    @property
    def model(self) -> Model | None:
        return self._ranker.model

    def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        whole, blind = self._ranker.consider(queries), self._blind.consider(queries)
        return [_judgement(*each) for each in zip(whole, blind, strict=True)]

    def recounted(self, past: Past) -> Self:
        return type(self)(self._ranker.recounted(past), self._blind_model)

    def placed(self, placement: Placement) -> Placed:
        return Placed(self._ranker, placement)


def without_transformer(ranker: Ranker, blind: Model | None) -> Ranker:
    """The same counts under a correction that never saw the transformer, and without what it retrieves."""
    sources = {name: source for name, source in ranker.sources.items() if name != Transformer.name}
    return Ranker(ranker.table, sources, ranker.counts, blind, ranker.options, ranker.version, ranker.counts_version)


def _judgement(whole: Considered, blind: Considered) -> Judgement:
    extra = ~np.isin(blind.pool.ids, whole.pool.ids)
    ids = np.concatenate((whole.pool.ids, blind.pool.ids[extra]))
    inside, missing = len(whole.pool), int(extra.sum())
    brought = np.zeros(len(ids), dtype=np.uint32)
    for column in range(whole.pool.ranks.shape[1]):
        brought[:inside] |= (whole.pool.ranks[:, column] > 0).astype(np.uint32) << np.uint32(column)
    nothing = np.full(missing, np.nan)
    order = np.argsort(blind.pool.ids)
    places = np.searchsorted(blind.pool.ids[order], ids).clip(max=max(len(order) - 1, 0))
    found = blind.pool.ids[order][places] == ids if len(order) else np.zeros(len(ids), dtype=np.bool_)
    alone = np.where(found, blind.scores[order][places], np.nan) if len(order) else np.full(len(ids), np.nan)
    fusion, logits = (np.concatenate((each, nothing)) for each in (whole.scores, whole.logits.astype(np.float64)))
    return Judgement(ids, brought, fusion, logits, alone)
