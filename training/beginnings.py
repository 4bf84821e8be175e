"""Where item vectors begin: near the items that the same sessions touch, so that the fit need not find that out.

Positive pointwise mutual information of items that stand close together, and its leading directions.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from serving.ranking.sessions import Sessions

_WINDOW: Final = 5
#: The power that smooths how common a context is (Levy, Goldberg, Dagan 2015).
_SMOOTHING: Final = 0.75
#: What every item stands close to itself: it gives a direction to one that stands alone.
_ITSELF: Final = 1.0
_NOISE: Final = 0.02


def beginnings(sessions: Sessions, width: int, seed: int) -> NDArray[np.float32]:
    """(items, width) of about length 1."""
    chance = np.random.default_rng(seed)
    found = chance.normal(scale=_NOISE, size=(sessions.catalogue, width))
    directions = min(width, sessions.catalogue - 1)
    if directions > 0:
        left, strength, _ = randomized_svd(_information(sessions), directions, n_iter=2, random_state=seed)
        vectors = left * np.sqrt(strength)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        found[:, :directions] += np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return found.astype(np.float32)


def _information(sessions: Sessions) -> sparse.csr_matrix:
    count = sessions.catalogue
    items, owners = sessions.items, sessions.owners
    together = sparse.identity(count, format="csr") * _ITSELF
    for apart in range(1, _WINDOW + 1):
        near = owners[apart:] == owners[:-apart]
        pairs = (items[:-apart][near], items[apart:][near])
        weights = np.full(int(near.sum()), 1 / apart)
        counted = sparse.csr_matrix((weights, pairs), shape=(count, count))
        together = together + counted + counted.T
    touches = np.asarray(together.sum(axis=1)).ravel()
    contexts = touches**_SMOOTHING / (touches**_SMOOTHING).sum()
    pairs = together.tocoo()
    information = np.log(pairs.data / (touches[pairs.row] * contexts[pairs.col]))
    kept = information > 0
    return sparse.csr_matrix((information[kept], (pairs.row[kept], pairs.col[kept])), shape=(count, count))
