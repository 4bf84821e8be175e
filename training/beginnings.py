"""Where item vectors begin: near the items that stand in the same company, so that the fit need not find that out."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.ranking.sessions import Sessions
from serving.ranking.sources.item2vec import factorised

#: It gives a direction to what has no company.
_NOISE: Final = 0.02
#: A vector that is so short beside the longest is what rounding left of none.
_NOTHING: Final = 1e-5


def beginnings(sessions: Sessions, width: int, seed: int) -> NDArray[np.float32]:
    """(items, width) of about length 1; next to nothing, by chance, of what has no company."""
    chance = np.random.default_rng(seed)
    known, vectors = factorised(sessions, width, chance)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found = chance.normal(scale=_NOISE, size=(sessions.catalogue, width)).astype(np.float32)
    some = lengths > _NOTHING * lengths.max(initial=0)
    found[known, : vectors.shape[1]] += np.divide(vectors, lengths, out=np.zeros_like(vectors), where=some)
    return found
