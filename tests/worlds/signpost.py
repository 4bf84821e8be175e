"""A model that can be worked out by hand: it points to the item after the one just touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from serving.ranking.query import Query
from serving.ranking.ranker import Ranker
from serving.ranking.scorer import Model, Scores

TEMPERATURE = 10.0


@dataclass(frozen=True, slots=True)
class Signpost:
    """Item i is the i-th axis of a space; a session is the axis after its last item's."""

    items: int
    #: What every score is multiplied by: NaN for a model that is broken.
    gain: float = 1.0
    #: The lengths of the sessions it was asked to encode.
    encoded: list[int] = field(default_factory=list)

    @property
    def width(self) -> int:
        return self.items

    @property
    def vectors(self) -> NDArray[np.float16]:
        return np.eye(self.items, dtype=np.float16)

    def encode(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        self.encoded.extend(map(len, queries))
        found = np.zeros((len(queries), self.items), dtype=np.float32)
        for at, query in enumerate(queries):
            if len(query):
                found[at, (query.items[-1] + 1) % self.items] = 1
        return found

    def score(
        self, sessions: NDArray[np.float32], ids: Sequence[NDArray[np.int32]], features: Sequence[NDArray[np.float32]]
    ) -> Scores:
        found = np.zeros((len(ids), max(map(len, ids), default=0)), dtype=np.float32)
        for at, each in enumerate(ids):
            found[at, : len(each)] = self.gain * TEMPERATURE * sessions[at, each]
        return Scores(found, found)


def led(ranker: Ranker, model: Model) -> Ranker:
    """The same ranker, in the order of this model's scores."""
    options = structs.replace(ranker.options, order="learned")
    return Ranker(ranker.table, ranker.sources, ranker.counts, model, options, "led", "counted")
