"""The transformer's fit: epochs over windows of past sessions, next item against a sample of the catalogue."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from schemas.errors import UsageError
from serving.ranking.words import Words
from training import memory
from training.checkpoint import Checkpoint, Keeper
from training.sampled import SampledSoftmax
from training.transformer import Shape, Transformer
from training.windows import Batch, Windows

#: Of an epoch that is done, how many, and the mean loss of each so far.
Told = Callable[[int, int], None]

#: Popular items are drawn more often than rare ones, by this power of their count.
_SAMPLED_BY: Final = 0.75
#: The share of a batch's items that are known by their words alone, so that a new item is scored fairly.
_FORGOTTEN: Final = 0.1
_WARM_UP: Final = 100
#: What the learning rate ends at, as a share of its peak.
_LEAST: Final = 0.02
_CLIP: Final = 1.0
#: A small log is learned in smaller steps, so that an epoch has about this many, and more often.
_BATCH_LEAST: Final = 256
_STEPS_AN_EPOCH: Final = 100
_AS_OFTEN: Final = 5


@dataclass(frozen=True, slots=True)
class Lessons:
    """How long and how hard to learn."""

    #: At least; a small log is gone through more often, up to _AS_OFTEN times as often.
    epochs: int
    #: Targets a step, at most.
    batch: int = 2048
    sample: int = 2048
    rate: float = 4e-3
    #: Until it has been so many steps; 0 for no such aim.
    steps: int = 0

    def of(self, targets: int) -> Lessons:
        """What they are for a log with so many targets."""
        batch = min(self.batch, max(_BATCH_LEAST, targets // _STEPS_AN_EPOCH))
        wanted = math.ceil(self.steps * batch / max(targets, 1))
        return replace(self, batch=batch, epochs=min(max(self.epochs, wanted), _AS_OFTEN * self.epochs))

    def plain(self) -> dict[str, int | float]:
        return asdict(self)


class Fit:
    """One run over a log. The same windows, lessons, seed and threads give the same weights on a CPU."""

    def __init__(
        self,
        windows: Windows,
        words: Words,
        shape: Shape,
        lessons: Lessons,
        *,
        drop_last_item: bool,
        seed: int,
        device: str = "cpu",
    ) -> None:
        torch.manual_seed(seed)
        self._windows = windows
        self._words = words
        self._lessons = lessons = lessons.of(int(windows.targets.sum()))
        self._drop_last_item = drop_last_item
        self._device = device
        self._chance = np.random.default_rng(seed)
        self.model = Transformer(shape).to(device)
        own = [self.model.items.own.weight]
        rest = [weight for weight in self.model.parameters() if weight is not own[0]]
        # A batch touches few of the items: only their rows, and only their moments, move.
        self._optimizers = (torch.optim.SparseAdam(own), torch.optim.Adam(rest, betas=(0.9, 0.98)))
        self._rest = rest
        self._step = 0
        self.losses: list[float] = []
        drawn = np.bincount(windows.sessions.items, minlength=shape.items) ** _SAMPLED_BY
        self._draws = np.cumsum(drawn / drawn.sum())
        odds = np.log(np.maximum(drawn / drawn.sum(), 1e-12) * lessons.sample)
        self._odds = torch.tensor(odds, dtype=torch.float32, device=device)
        self._half = device != "cpu" or "amx_bf16" in _capabilities()

    def begin_with(self, vectors: NDArray[np.float32]) -> None:
        """Items stand where these vectors say, and learn from there."""
        with torch.no_grad():
            self.model.items.own.weight.copy_(torch.from_numpy(vectors))

    def run(self, keeper: Keeper, told: Told) -> None:
        """All epochs, or those that an interrupted run has left."""
        found = keeper.find()
        if found is not None:
            self._resume(found)
        # Probabilities too small for a normal float cost a hundred times what they are worth.
        torch.set_flush_denormal(True)
        self.model.train()
        for epoch in range(len(self.losses), self._lessons.epochs):
            self.losses.append(self._epoch())
            memory.give_back()
            keeper.keep(self._state())
            told(epoch + 1, self._lessons.epochs)
        self.model.eval()

    def practise(self, batches: int) -> int:
        """Learns from the first of the batches alone; how many events they had."""
        self.model.train()
        events = 0
        for batch in islice(self._windows.batches(self._lessons.batch, self._chance), batches):
            loss, targets = self._loss(batch)
            if targets:
                self._learn(loss)
            events += int(batch.lengths.sum()) + len(batch.lengths)
        return events

    def _epoch(self) -> float:
        total = count = 0.0
        for batch in self._windows.batches(self._lessons.batch, self._chance):
            loss, targets = self._loss(batch)
            if not targets:
                continue
            self._learn(loss)
            total, count = total + loss.item() * targets, count + targets
        return total / max(count, 1)

    def _learn(self, loss: Tensor) -> None:
        rate = self._rate()
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = rate
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self._rest, _CLIP)
        for optimizer in self._optimizers:
            step: Callable[[], object] = optimizer.step
            step()
        self._step += 1

    def _rate(self) -> float:
        """Up to the peak in a few steps, down from there along a cosine."""
        steps = self._lessons.epochs * max(1, math.ceil(self._windows.targets.sum() / self._lessons.batch))
        falling = 0.5 * (1 + math.cos(math.pi * min(1.0, self._step / steps)))
        return self._lessons.rate * min(1.0, (self._step + 1) / _WARM_UP) * (_LEAST + (1 - _LEAST) * falling)

    def _loss(self, batch: Batch) -> tuple[Tensor, int]:
        """The mean over the batch's n targets, each of its weight."""
        wanted = np.nonzero(batch.weights)  # of (b, t)
        if not len(wanted[0]):
            return torch.zeros(()), 0
        sample = np.searchsorted(self._draws, self._chance.random(self._lessons.sample))
        sample = np.minimum(sample, len(self._draws) - 1)
        items, places = np.unique(np.concatenate((batch.items.ravel(), sample)), return_inverse=True)
        vectors = self._vectors(items)  # (u, d)
        rows = self._tensor(places[: batch.items.size].reshape(batch.items.shape))  # (b, t + 1)
        drawn = self._tensor(places[batch.items.size :])  # (k,)

        made = self.model.encoder(
            vectors[rows[:, :-1]],
            self._tensor(batch.types[:, :-1]),
            self._tensor(batch.gaps[:, :-1]),
            self._tensor(batch.lengths),
        )  # (b, t, d)
        at = tuple(self._tensor(each) for each in wanted)
        sessions = made[at] * self.model.temperature  # (n, d)
        targets, last = rows[:, 1:][at], rows[:, :-1][at]
        hits = drawn[None] == targets[:, None]
        if self._drop_last_item:
            hits |= drawn[None] == last[:, None]
        odds = self._odds[self._tensor(sample)]
        losses = SampledSoftmax.apply(sessions, vectors[targets], vectors[drawn], odds, hits.nonzero(), self._half)
        weights = self._tensor(batch.weights[wanted])
        return (losses * weights).sum() / weights.sum(), len(wanted[0])

    def _vectors(self, items: NDArray[np.int64]) -> Tensor:
        if not self._words:
            alone: Tensor = self.model.items(self._tensor(items), None, None, None)
            return alone
        words, starts = self._words.select(items)
        # Forgotten are only items that words are left of.
        forgotten = (self._chance.random(len(items)) < _FORGOTTEN) & (self._words.lengths[items] > 0)
        known = self._tensor((~forgotten).astype(np.float32))
        vectors: Tensor = self.model.items(self._tensor(items), self._tensor(words), self._tensor(starts), known)
        return vectors

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def _state(self) -> Checkpoint:
        return Checkpoint(
            model=self.model.state_dict(),
            optimizers=[optimizer.state_dict() for optimizer in self._optimizers],
            step=self._step,
            losses=list(self.losses),
            chance=self._chance.bit_generator.state,
            torch_chance=torch.get_rng_state(),
        )

    def _resume(self, found: Checkpoint) -> None:
        self.model.load_state_dict(found.model)
        for optimizer, state in zip(self._optimizers, found.optimizers, strict=True):
            optimizer.load_state_dict(state)
        self._step, self.losses = found.step, list(found.losses)
        self._chance.bit_generator.state = found.chance
        torch.set_rng_state(found.torch_chance)


def settled(device: str) -> str:
    """The device that `auto` stands for here. UsageError for a GPU where there is none."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("torch finds no GPU on this machine; leave --device out, or install a torch built for CUDA")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _capabilities() -> set[str]:
    """What this processor can do beyond the usual."""
    return {name for name, has in torch.cpu.get_capabilities().items() if has is True}
