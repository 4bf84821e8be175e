"""The correction's fit: pools in which the next item is known, and a softmax that must fall on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from serving.ranking.features import names
from serving.ranking.ranker import Ranker
from training.correction import Correction

_EPOCHS: Final = 12
_BATCH: Final = 128
_RATE: Final = 3e-3
_DECAY: Final = 1e-4
#: Every how manieth session is not learned from: where the loss on these is least, the fit ends.
HELD_OUT: Final = 10


@dataclass(frozen=True, slots=True)
class Examples:
    """Pools of n places, m of them; half precision, since there are tens of thousands of pools."""

    features: NDArray[np.float16]  # (m, n, f)
    logits: NDArray[np.float16]  # (m, n)
    sizes: NDArray[np.int16]  # (m,)
    targets: NDArray[np.int16]  # (m,) the place of the item that came next
    sessions: NDArray[np.int32]  # (m,) what belongs together is held out together

    def __len__(self) -> int:
        return len(self.sizes)


def fit(examples: Examples, seed: int, epochs: int = _EPOCHS, device: str = "cpu") -> tuple[Correction, list[float]]:
    """The correction that is best on sessions it has not learned from, and its loss on these by epoch."""
    torch.manual_seed(seed)
    chance = np.random.default_rng(seed)
    held_out = examples.sessions % HELD_OUT == 0
    learnt, watched = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    if not len(learnt):
        return silent(examples.features.shape[2]), []
    model = Correction(examples.features.shape[2]).to(device)
    _standardise(model, examples, learnt[: 20 * _BATCH])
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=_DECAY)
    steps, step = epochs * max(1, math.ceil(len(learnt) / _BATCH)), 0
    losses: list[float] = []
    best = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(epochs):
        model.train()
        for rows in np.array_split(chance.permutation(learnt), max(1, math.ceil(len(learnt) / _BATCH))):
            optimizer.param_groups[0]["lr"] = _RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
            optimizer.zero_grad(set_to_none=True)
            _loss(model, examples, np.sort(rows), device).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
        losses.append(_mean_loss(model, examples, watched if len(watched) else learnt, device))
        if losses[-1] == min(losses):
            best = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(best)
    return model.eval(), losses


def untaught(ranker: Ranker) -> Correction:
    """Of a log too small to learn any."""
    return silent(len(names(tuple(ranker.sources))))


def silent(features: int) -> Correction:
    """One that adds nothing."""
    model = Correction(features)
    for weights in model.network.parameters():
        nn.init.zeros_(weights)
    return model.eval()


def _loss(model: Correction, examples: Examples, rows: NDArray[np.int64], device: str) -> Tensor:
    logits = torch.from_numpy(examples.logits[rows].astype(np.float32)).to(device)
    features = torch.from_numpy(examples.features[rows].astype(np.float32)).to(device)
    sizes = torch.from_numpy(examples.sizes[rows].astype(np.int64)).to(device)
    targets = torch.from_numpy(examples.targets[rows].astype(np.int64)).to(device)
    return cross_entropy(model(logits, features, sizes), targets)


def _mean_loss(model: Correction, examples: Examples, rows: NDArray[np.int64], device: str) -> float:
    model.eval()
    with torch.no_grad():
        parts = np.array_split(rows, max(1, math.ceil(len(rows) / _BATCH)))
        return float(sum(_loss(model, examples, part, device).item() * len(part) for part in parts) / len(rows))


def _standardise(model: Correction, examples: Examples, rows: NDArray[np.int64]) -> None:
    """Features of the candidates that are there, to mean 0 and deviation 1."""
    inside = np.arange(examples.logits.shape[1])[None] < examples.sizes[rows][:, None]
    values = examples.features[rows][inside].astype(np.float32)
    deviation = values.std(axis=0)
    model.mean.copy_(torch.from_numpy(values.mean(axis=0)))
    model.deviation.copy_(torch.from_numpy(np.where(deviation > 1e-4, deviation, 1.0).astype(np.float32)))
