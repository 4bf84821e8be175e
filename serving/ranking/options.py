"""What training chose for a shop from its log alone."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec import Struct

from serving.ranking.arrays import Buffer
from serving.ranking.reasons import Relation

#: How candidates are ordered: by the learned correction, or, where the log is too small to learn one, by fused ranks.
Order = Literal["learned", "reciprocal_rank"]
LEARNED: Final = "learned"

#: No source has more to say than this, by far.
_QUOTA_MAX: Final = 10_000
_WEIGHT_MAX: Final = 1e6


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    order: Order = "reciprocal_rank"
    #: True where shoppers hardly ever click the same item twice in a row: then it is no candidate.
    drop_last_item: bool
    relation: Relation
    #: By the name of the source: what its ranks weigh where the pool is chosen, and where no model orders the list.
    quotas: dict[str, int]
    weights: dict[str, float]
    transformer_weight: float = 1.0
    #: By the name of the source: what it was fitted with, beside what serves most shops.
    parameters: dict[str, dict[str, float]] = {}

    def encode(self) -> bytes:
        return msgspec.json.encode(self, order="sorted")

    @classmethod
    def decode(cls, data: Buffer) -> Options:
        """The options in `data`. ValueError when they are none."""
        options = msgspec.json.decode(data, type=cls)
        if not all(1 <= quota <= _QUOTA_MAX for quota in options.quotas.values()):
            raise ValueError(f"a quota below 1 or above {_QUOTA_MAX}")
        if not all(0 <= weight <= _WEIGHT_MAX for weight in (*options.weights.values(), options.transformer_weight)):
            raise ValueError(f"a weight that is not a number from 0 to {_WEIGHT_MAX:g}")
        return options
