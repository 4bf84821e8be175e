"""The correction's fit: pools in which the next item is known, and a softmax that must fall on it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from serving.ranking.features import names
from serving.ranking.ranker import Ranker
from training.correction import Correction

_EPOCHS: Final = 8
_BATCH: Final = 128
_RATE: Final = 6e-3
_DECAY: Final = 1e-4
#: What the tutors' word weighs against the item that came next.
_TUTORED: Final = 0.8
#: The share of a batch's candidates that nobody has clicked on yet, as far as the correction is told: what it knows of
#: them is what their catalogue entries say, so that an item without history is scored fairly.
_FORGOTTEN: Final = 0.1
#: Pools that the features are standardised on, at least, where there are as many.
_LOOKED_AT: Final = 2_560
#: Every how manieth session is not learned from: where the loss on these is least, the fit ends.
HELD_OUT: Final = 10


@dataclass(frozen=True, slots=True)
class Examples:
    """Pools of n places, m of them; half precision, since there are tens of thousands of pools."""

    features: NDArray[np.float16]  # (m, n, f)
    logits: NDArray[np.float16]  # (m, n)
    #: The logits as they would be of items that nobody has touched; NaN of those that no words are known of.
    bare: NDArray[np.float16]  # (m, n)
    sizes: NDArray[np.int16]  # (m,)
    targets: NDArray[np.int16]  # (m,) the place of the item that came next
    sessions: NDArray[np.int32]  # (m,) what belongs together is held out together

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def _columns(self) -> tuple[NDArray[Any], ...]:
        return self.features, self.logits, self.bare, self.sizes, self.targets, self.sessions

    def roomy(self, rows: int) -> Self:
        """Nothing yet, and room for so many like these."""
        return type(self)(*(np.empty((rows, *column.shape[1:]), column.dtype) for column in self._columns))

    def put(self, at: int, part: Examples) -> None:
        for column, new in zip(self._columns, part._columns, strict=True):
            column[at : at + len(new)] = new

    def first(self, rows: int) -> Self:
        return type(self)(*(column[:rows] for column in self._columns))


def fit(
    examples: Examples, untouched: NDArray[np.float32], seed: int, tutors: int = 0, epochs: int = _EPOCHS
) -> tuple[Correction, list[float]]:
    """The correction that is best on sessions it has not learned from, and its loss on these by epoch.

    `untouched` (f,) is what an item without history has for features, NaN where it has what all others have.

    With `tutors`, so many learn first, each by its own chance, and the one that is kept learns from what they agree on
    more than from the single item that came next: nearly as good as all of them together, at the cost of one.
    """
    if not tutors:
        return _fit(examples, untouched, seed, epochs, None)
    before = (_fit(examples, untouched, seed + 1 + tutor, epochs, None)[0] for tutor in range(tutors))
    taught = sum(_scores(correction, examples) for correction in before)
    return _fit(examples, untouched, seed, epochs, np.asarray(taught / tutors, dtype=np.float16))


def _fit(
    examples: Examples,
    untouched: NDArray[np.float32],
    seed: int,
    epochs: int,
    taught: NDArray[np.float16] | None,
) -> tuple[Correction, list[float]]:
    torch.manual_seed(seed)
    chance = np.random.default_rng(seed)
    held_out = examples.sessions % HELD_OUT == 0
    learnt, watched = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    if not len(learnt):
        return silent(examples.features.shape[2]), []
    model = Correction(examples.features.shape[2])
    _standardise(model, examples, learnt[:: max(1, len(learnt) // _LOOKED_AT)])
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=_DECAY)
    steps, step = epochs * max(1, math.ceil(len(learnt) / _BATCH)), 0
    losses: list[float] = []
    best = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(epochs):
        model.train()
        for rows in np.array_split(chance.permutation(learnt), max(1, math.ceil(len(learnt) / _BATCH))):
            optimizer.param_groups[0]["lr"] = _RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
            optimizer.zero_grad(set_to_none=True)
            lesson = _lesson(examples, np.sort(rows), taught).forgotten(chance, untouched)
            torch.autograd.backward(_loss(model, lesson))
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


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What the correction is asked about b pools, and what it should say."""

    logits: NDArray[np.float32]  # (b, n)
    features: NDArray[np.float32]  # (b, n, f)
    sizes: NDArray[np.int64]  # (b,)
    bare: NDArray[np.float32]  # (b, n)
    targets: NDArray[np.int64]  # (b,)
    taught: NDArray[np.float32] | None  # (b, n)

    def forgotten(self, chance: np.random.Generator, untouched: NDArray[np.float32]) -> _Lesson:
        """As if nobody had touched some of the candidates; only ones that words are left of."""
        some = (chance.random(self.bare.shape, dtype=np.float32) < _FORGOTTEN) & np.isfinite(self.bare)
        features = np.where(some[:, :, None] & np.isfinite(untouched), untouched, self.features)
        return replace(self, logits=np.where(some, self.bare, self.logits), features=features)


def _lesson(examples: Examples, rows: NDArray[np.int64], taught: NDArray[np.float16] | None = None) -> _Lesson:
    return _Lesson(
        examples.logits[rows].astype(np.float32),
        examples.features[rows].astype(np.float32),
        examples.sizes[rows].astype(np.int64),
        examples.bare[rows].astype(np.float32),
        examples.targets[rows].astype(np.int64),
        None if taught is None else taught[rows].astype(np.float32),
    )


def _loss(model: Correction, lesson: _Lesson) -> Tensor:
    """How far off the next items the scores are, and where there are tutors, how far off these."""
    scores = _scored(model, lesson)
    alone = cross_entropy(scores, torch.from_numpy(lesson.targets))
    if lesson.taught is None:
        return alone
    agreed = torch.from_numpy(lesson.taught).softmax(1)
    return (1 - _TUTORED) * alone + _TUTORED * cross_entropy(scores, agreed)


def _scored(model: Correction, lesson: _Lesson) -> Tensor:
    columns = (torch.from_numpy(each) for each in (lesson.logits, lesson.features, lesson.sizes))
    scores: Tensor = model(*columns)
    return scores


@torch.no_grad()
def _scores(model: Correction, examples: Examples) -> NDArray[np.float32]:
    """Of all, (m, n); far below everything in half precision too where there is no candidate."""
    # Written where they stay: kept one by one, they would hold what lies freed between them, a GB of it.
    found = np.empty(examples.logits.shape, dtype=np.float32)
    for part in np.array_split(np.arange(len(examples)), max(1, math.ceil(len(examples) / _BATCH))):
        found[part] = _scored(model, _lesson(examples, part)).numpy()
    return found


@torch.no_grad()
def _mean_loss(model: Correction, examples: Examples, rows: NDArray[np.int64]) -> float:
    model.eval()
    parts = np.array_split(rows, max(1, math.ceil(len(rows) / _BATCH)))
    return float(sum(_loss(model, _lesson(examples, part)).item() * len(part) for part in parts) / len(rows))


def _standardise(model: Correction, examples: Examples, rows: NDArray[np.int64]) -> None:
    """Features of the candidates that are there, to mean 0 and deviation 1."""
    inside = np.arange(examples.logits.shape[1])[None] < examples.sizes[rows][:, None]
    values = examples.features[rows][inside].astype(np.float32)
    deviation = values.std(axis=0)
    model.mean.copy_(torch.from_numpy(values.mean(axis=0)))
    model.deviation.copy_(torch.from_numpy(np.where(deviation > 1e-4, deviation, 1.0).astype(np.float32)))
