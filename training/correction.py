"""The learned correction: what pool sources and popularity know, added to the transformer's logit of a candidate.

    score = logit + a small network over (features of the candidate, logit, its log share of the pool)

Learned listwise: the softmax over the pool's scores must fall on the item that came next.

Shapes: b sessions, n candidates, f features.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

WIDTH: Final = 32
#: Far below any score: what pads a pool takes no part in it.
_NOWHERE: Final = -1e4
#: Beyond so many deviations a feature says nothing more.
_FAR: Final = 6.0


class Correction(nn.Module):
    mean: Tensor
    deviation: Tensor

    def __init__(self, features: int, width: int = WIDTH) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.network = nn.Sequential(
            nn.Linear(features + 2, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1)
        )
        #: What the logit counts by itself; 1 is the transformer's own word for it.
        self.trust = nn.Parameter(torch.ones(()))

    def forward(self, logits: Tensor, features: Tensor, sizes: Tensor) -> Tensor:
        """logits (b, n), features (b, n, f), sizes (b,) -> scores (b, n)"""
        inside = torch.arange(logits.shape[1], device=logits.device)[None] < sizes[:, None]  # (b, n)
        shares = log_softmax(torch.where(inside, logits, _NOWHERE), dim=1)
        scaled = ((features - self.mean) / self.deviation).clamp(-_FAR, _FAR)
        told = torch.stack((logits / 10, shares.clamp(min=-20) / 5), dim=2)  # about as large as the others
        # One list of all candidates: a layer then runs with its bias as one step, which a third dimension forbids.
        added = self.network(torch.cat((scaled, told), dim=2).flatten(0, 1)).view_as(logits)
        return torch.where(inside, self.trust * logits + added, _NOWHERE)


class Blind(nn.Module):
    """The same without the transformer: what its features and retrieval are worth is seen beside it."""

    def __init__(self, correction: Correction) -> None:
        super().__init__()
        self.correction = correction

    def forward(self, features: Tensor, sizes: Tensor) -> Tensor:
        scores: Tensor = self.correction(torch.zeros_like(features[:, :, 0]), features, sizes)
        return scores
