"""The transformer as the rehearsal needs it: straight out of torch, its logits corrected once that is learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from serving.ranking.query import Query
from serving.ranking.ranker import Considered
from serving.ranking.scorer import LENGTHS, Scores, bucket, encoder_inputs, padded
from serving.ranking.words import Words
from training import export
from training.correction import Correction
from training.transformer import Transformer


class Apprentice:
    def __init__(
        self, transformer: Transformer, vectors: NDArray[np.float16], correction: Correction | None = None
    ) -> None:
        self.vectors: Final = vectors
        self._correction = correction
        self.width: Final = transformer.shape.width
        self._encoder = transformer.encoder.eval()
        self._temperature = float(transformer.temperature.detach())

    def encode(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        found = np.zeros((len(queries), self.width), dtype=np.float32)
        for length in LENGTHS:
            rows = [at for at, query in enumerate(queries) if len(query) and bucket(len(query)) == length]
            if rows:
                inputs = encoder_inputs([queries[row] for row in rows], length, self.vectors)
                vectors, types, gaps, lengths = (torch.from_numpy(each) for each in inputs.values())
                with torch.no_grad():
                    found[rows] = self._encoder(vectors.float(), types, gaps, lengths, only=1)[:, 0].numpy()
        return found

    def score(
        self, sessions: NDArray[np.float32], ids: Sequence[NDArray[np.int32]], features: Sequence[NDArray[np.float32]]
    ) -> Scores:
        logits = np.zeros((len(ids), max(map(len, ids), default=0)), dtype=np.float32)
        for at, each in enumerate(ids):
            logits[at, : len(each)] = self._temperature * (self.vectors[each].astype(np.float32) @ sessions[at])
        if self._correction is None or not ids:
            return Scores(logits, logits)
        with torch.no_grad():
            told = (torch.from_numpy(each) for each in (logits, *padded(features)))
            return Scores(self._correction(*told).numpy(), logits)


class Stranger:
    """What it would say of the same candidates if nobody had ever touched them, and their words alone were known."""

    def __init__(self, transformer: Transformer, words: Words) -> None:
        self._worded = words.lengths > 0  # (items,)
        self._vectors = export.item_vectors(transformer, words, np.zeros_like(self._worded)) if words else None
        self._temperature = float(transformer.temperature.detach())

    def logits(self, considered: Considered) -> NDArray[np.float32]:
        """(n,), NaN where no words are known of one."""
        ids, logits = considered.pool.ids, considered.logits
        if self._vectors is not None and considered.vector is not None:
            logits = self._temperature * (self._vectors[ids].astype(np.float32) @ considered.vector)
        return np.where(self._worded[ids], logits, np.float32(np.nan))
