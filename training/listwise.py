"""The correction's fit: pools in which the next item is known, and a softmax that must fall on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Self

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
#: What the tutors' word weighs against the item that came next.
_TUTORED: Final = 0.8
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

    @property
    def _columns(self) -> tuple[NDArray[Any], ...]:
        return self.features, self.logits, self.sizes, self.targets, self.sessions

    def roomy(self, rows: int) -> Self:
        """Nothing yet, and room for so many like these."""
        return type(self)(*(np.empty((rows, *column.shape[1:]), column.dtype) for column in self._columns))

    def put(self, at: int, part: Examples) -> None:
        for column, new in zip(self._columns, part._columns, strict=True):
            column[at : at + len(new)] = new

    def first(self, rows: int) -> Self:
        return type(self)(*(column[:rows] for column in self._columns))


def fit(examples: Examples, seed: int, tutors: int = 0, epochs: int = _EPOCHS) -> tuple[Correction, list[float]]:
    """The correction that is best on sessions it has not learned from, and its loss on these by epoch.

    With `tutors`, so many learn first, each by its own chance, and the one that is kept learns from what they agree on
    more than from the single item that came next: nearly as good as all of them together, at the cost of one.
    """
    if not tutors:
        return _fit(examples, seed, epochs, None)
    taught = sum(_scores(_fit(examples, seed + 1 + tutor, epochs, None)[0], examples) for tutor in range(tutors))
    return _fit(examples, seed, epochs, np.asarray(taught / tutors, dtype=np.float16))


def _fit(
    examples: Examples, seed: int, epochs: int, taught: NDArray[np.float16] | None
) -> tuple[Correction, list[float]]:
    torch.manual_seed(seed)
    chance = np.random.default_rng(seed)
    held_out = examples.sessions % HELD_OUT == 0
    learnt, watched = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    if not len(learnt):
        return silent(examples.features.shape[2]), []
    model = Correction(examples.features.shape[2])
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
            torch.autograd.backward(_lesson(model, examples, np.sort(rows), taught))
            optimizer.step()
            step += 1
        losses.append(_mean_loss(model, examples, watched if len(watched) else learnt))
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


def _lesson(
    model: Correction, examples: Examples, rows: NDArray[np.int64], taught: NDArray[np.float16] | None
) -> Tensor:
    """How far off the next items the scores are, and where there are tutors, how far off these."""
    scores = _scored(model, examples, rows)
    alone = cross_entropy(scores, torch.from_numpy(examples.targets[rows].astype(np.int64)))
    if taught is None:
        return alone
    agreed = torch.from_numpy(taught[rows].astype(np.float32)).softmax(1)
    return (1 - _TUTORED) * alone + _TUTORED * cross_entropy(scores, agreed)


def _scored(model: Correction, examples: Examples, rows: NDArray[np.int64]) -> Tensor:
    logits = torch.from_numpy(examples.logits[rows].astype(np.float32))
    features = torch.from_numpy(examples.features[rows].astype(np.float32))
    sizes = torch.from_numpy(examples.sizes[rows].astype(np.int64))
    scores: Tensor = model(logits, features, sizes)
    return scores


@torch.no_grad()
def _scores(model: Correction, examples: Examples) -> NDArray[np.float32]:
    """Of all, (m, n); far below everything in half precision too where there is no candidate."""
    parts = np.array_split(np.arange(len(examples)), max(1, math.ceil(len(examples) / _BATCH)))
    return np.concatenate([_scored(model, examples, part).numpy() for part in parts])


@torch.no_grad()
def _mean_loss(model: Correction, examples: Examples, rows: NDArray[np.int64]) -> float:
    model.eval()
    parts = np.array_split(rows, max(1, math.ceil(len(rows) / _BATCH)))
    return float(sum(_lesson(model, examples, part, None).item() * len(part) for part in parts) / len(rows))


def _standardise(model: Correction, examples: Examples, rows: NDArray[np.int64]) -> None:
    """Features of the candidates that are there, to mean 0 and deviation 1."""
    inside = np.arange(examples.logits.shape[1])[None] < examples.sizes[rows][:, None]
    values = examples.features[rows][inside].astype(np.float32)
    deviation = values.std(axis=0)
    model.mean.copy_(torch.from_numpy(values.mean(axis=0)))
    model.deviation.copy_(torch.from_numpy(np.where(deviation > 1e-4, deviation, 1.0).astype(np.float32)))
