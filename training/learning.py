"""From a past to a ranker, in the order that keeps its figures honest.

1. base       sources and transformer, on the log up to the fusion period
2. rehearsal  that period, ranked by what has not seen it; the correction is learned from it
3. refit      sources and transformer on everything, under that correction

A log too small for 2 is learned whole at once, and its lists are ordered by fused ranks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from serving.ranking.bundle import Network
from serving.ranking.counts import Counts
from serving.ranking.features import untouched
from serving.ranking.options import LEARNED, Options
from serving.ranking.past import Past
from serving.ranking.ranker import Ranker
from serving.ranking.reasons import Relation
from serving.ranking.scorer import Blind, Model, Scorer
from serving.ranking.sessions import DEEDS, Sessions
from serving.ranking.sources import ALL
from serving.ranking.words import Words
from training import export, listwise, memory
from training.apprentice import Apprentice, Stranger
from training.beginnings import beginnings
from training.checkpoint import Keeper
from training.correction import Correction
from training.fitting import Fit, Lessons, settled
from training.judging import without_transformer
from training.plan import Plan
from training.predictions import Predictions, deed_of
from training.rehearsal import LEAST, Split, examples, scenes
from training.transformer import Shape, Transformer
from training.windows import Windows

#: Below this share of steps that lead to the same item again, the item just touched is no candidate.
_REPEATS_FROM: Final = 0.005
#: So few steps say nothing about that.
_STEPS_LEAST: Final = 200
#: After this share of the log's sessions a session weighs half.
_HALF_LIFE_SHARE: Final = 0.5
_FEW_ITEMS: Final = 5_000

Told = Callable[[int, int], None]


class Surroundings(Protocol):
    """What learning needs of the world: where fits are kept, who is told, what the time is."""

    def keeper(self, stage: str, about: dict[str, str | int | float]) -> Keeper: ...
    def stage(self, name: str) -> Told:
        """Another stage begins; how much of it is done is told to the answer."""


@dataclass(frozen=True, slots=True)
class Curves:
    """How each fit went: the loss after every epoch."""

    base: tuple[float, ...] = ()
    refit: tuple[float, ...] = ()
    correction: tuple[float, ...] = ()
    blind: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Learned:
    ranker: Ranker
    network: Network
    #: The ranker of the fusion period and the period itself: what can be measured without another log.
    base: Ranker | None
    base_blind: Model | None
    split: Split
    curves: Curves


class Learner:
    def __init__(self, past: Past, plan: Plan, seed: int, device: str, threads: int, around: Surroundings) -> None:
        self._past = past
        self._plan = plan
        self._seed = seed
        self.device = settled(device)
        self._threads = threads
        self._around = around
        self._words = Words.of(past.table)
        self._options = _options(past.sessions)

    def learn(self) -> Learned:
        split = Split.of(self._past.sessions, self._plan.rehearsed)
        if split.predictions < LEAST or not _steps(split.base):
            return self._learn_at_once(split)
        return self._learn_in_turn(split)

    def _learn_at_once(self, split: Split) -> Learned:
        sessions = self._past.sessions
        transformer, losses = self._fit("refit", sessions, self._plan.refit, None)
        untaught = self._ranker(sessions, transformer)
        corrections = [listwise.untaught(ranker) for ranker in (untaught, without_transformer(untaught, None))]
        network = self._network(transformer, self._vectors(sessions, transformer), *corrections)
        ranker = self._finished(untaught, network)
        return Learned(ranker, network, None, None, split, Curves(refit=losses))

    def _learn_in_turn(self, split: Split) -> Learned:
        first, base_losses = self._fit("base", split.base, self._plan.base, None)
        base = self._ranker(split.base, first)
        told = self._around.stage("rehearsal")
        stranger = Stranger(first, self._words)
        correction, correction_losses = self._correct(base, stranger, split, told)
        blind, blind_losses = self._correct(without_transformer(base, None), stranger, split, told)
        transformer, losses = self._fit("refit", self._past.sessions, self._plan.refit, first)
        self._around.stage("export")
        self._options = structs.replace(self._options, order=LEARNED)
        network = self._network(transformer, self._vectors(self._past.sessions, transformer), correction, blind)
        ranker = self._finished(self._ranker(self._past.sessions, transformer), network)
        curves = Curves(base_losses, losses, correction_losses, blind_losses)
        taught = Apprentice(first, self._vectors(split.base, first), correction)
        return Learned(ranker, network, self._ordered(base, taught), Blind(network.blind), split, curves)

    def _correct(
        self, ranker: Ranker, stranger: Stranger, split: Split, told: Told
    ) -> tuple[Correction, tuple[float, ...]]:
        asked = Predictions.of(split.period)
        seen = scenes(ranker, split, asked, self._plan.refreshes)
        found = examples(seen, stranger.logits, 2 * len(asked), self._threads, told)
        correction, losses = listwise.fit(found, untouched(tuple(ranker.sources)), self._seed, self._plan.tutors)
        del found
        memory.give_back()
        return correction, tuple(losses)

    def _fit(
        self, stage: str, sessions: Sessions, lessons: Lessons, before: Transformer | None
    ) -> tuple[Transformer, tuple[float, ...]]:
        told = self._around.stage(stage)
        shape = Shape(sessions.catalogue, self._words.places, width=_width(sessions.catalogue))
        windows = Windows.cut(sessions, _weights(sessions))
        fit = Fit(
            windows,
            self._words,
            shape,
            lessons,
            drop_last_item=self._options.drop_last_item,
            seed=self._seed,
            device=self.device,
        )
        if before is None:
            fit.begin_with(beginnings(sessions, shape.width, self._seed))
        else:
            fit.model.load_state_dict(before.state_dict())
        about = {"stage": stage, "seed": self._seed, "windows": len(windows), **shape.plain(), **lessons.plain()}
        fit.run(self._around.keeper(stage, about), told)
        return fit.model.to("cpu").eval(), tuple(fit.losses)

    def _ranker(self, sessions: Sessions, transformer: Transformer) -> Ranker:
        """Ordered by fused ranks until there is a network."""
        vectors = self._vectors(sessions, transformer)
        past = Past(sessions, self._past.table, vectors)
        sources = {kind.name: kind.fit(past) for kind in ALL}
        model = Apprentice(transformer, vectors)
        return Ranker(past.table, sources, Counts.fit(sessions), model, self._options, "", "")

    def _vectors(self, sessions: Sessions, transformer: Transformer) -> NDArray[np.float16]:
        """Whom nobody touched, its words tell alone: what is its own has learned nothing."""
        touched = np.bincount(sessions.items, minlength=sessions.catalogue) > 0
        return export.item_vectors(transformer, self._words, touched)

    def _network(
        self, transformer: Transformer, items: NDArray[np.float16], correction: Correction, blind: Correction
    ) -> Network:
        encode, score = export.encode_graph(transformer), export.score_graph(transformer, correction)
        return Network(
            encode=encode,
            score=score,
            blind=export.blind_graph(blind),
            items=items,
            words=export.word_vectors(transformer),
            golden=export.golden_tensors(Scorer(encode, score, items), len(correction.mean)),
        )

    def _finished(self, ranker: Ranker, network: Network) -> Ranker:
        """The same over what was exported."""
        return self._ordered(ranker, Scorer(network.encode, network.score, network.items))

    def _ordered(self, ranker: Ranker, model: Model) -> Ranker:
        """The same in the order that was learned."""
        return Ranker(ranker.table, ranker.sources, ranker.counts, model, self._options, "", "")


def _options(sessions: Sessions) -> Options:
    return Options(
        drop_last_item=_steps(sessions) >= _STEPS_LEAST and _repeats(sessions) < _REPEATS_FROM,
        relation=_relation(sessions),
        quotas={kind.name: kind.quota for kind in ALL},
        weights={kind.name: kind.weight for kind in ALL},
    )


def _width(items: int) -> int:
    """Of the vectors: a small catalogue needs fewer directions to tell its items apart."""
    return 64 if items < _FEW_ITEMS else 128


def _relation(sessions: Sessions) -> Relation:
    bought = np.count_nonzero(sessions.types == DEEDS.index("purchase"))
    return "bought" if bought * 2 > len(sessions.types) else "viewed"


def _steps(sessions: Sessions) -> int:
    return len(sessions.items) - len(sessions)


def _repeats(sessions: Sessions) -> float:
    """The share of steps that lead to the same item again."""
    inside = sessions.owners[1:] == sessions.owners[:-1]
    again = sessions.items[1:] == sessions.items[:-1]
    return float(np.count_nonzero(inside & again)) / max(1, _steps(sessions))


def _weights(sessions: Sessions) -> NDArray[np.float32]:
    """Of every event as a target: the newer the more, and none of what production will not be asked for."""
    age = 1 - sessions.owners / max(len(sessions), 1)
    wanted = sessions.types == deed_of(sessions)
    return np.asarray(wanted * 0.5 ** (age / _HALF_LIFE_SHARE), dtype=np.float32)
