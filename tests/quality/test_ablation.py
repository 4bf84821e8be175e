"""What each part of the ranker is worth: left out while the correction learns and while its lists are judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nextclick.cli import parser
from nextclick.verbs.declare import log_of
from serving.ranking.features import features, untouched
from serving.ranking.past import Past
from serving.ranking.ranker import Ranker
from serving.ranking.sources import ALL
from tests.quality.shops import SHOPS, VARIABLE, Shop, folder
from training import listwise, past
from training.apprentice import Stranger
from training.catalogue import Catalogue
from training.checkpoint import Keeper, Nowhere
from training.correction import Correction
from training.judging import without_transformer
from training.learning import Learner, Told
from training.plan import PLANS
from training.predictions import Predictions, told_by
from training.rehearsal import Split, examples, scenes

_THREADS = 2
_ASKED = 15_000
_AT_ONCE = 256
_TOP = 20


class Quiet:
    """Surroundings that keep nothing and tell nobody."""

    def keeper(self, stage: str, about: dict[str, str | int | float]) -> Keeper:
        return Nowhere()

    def stage(self, name: str) -> Told:
        return lambda done, of: None


@dataclass(frozen=True, slots=True)
class Line:
    """What is left without `part`."""

    part: str
    hit_rate: float
    mrr: float
    recall: float


@pytest.mark.quality
@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("shop", SHOPS[:2], ids=lambda shop: shop.name)
def test_transformer_and_correction_are_worth_their_time_and_what_each_source_is_worth_is_shown(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    # given
    data = folder()
    if data is None:
        pytest.skip(f"{VARIABLE} does not name a folder with the logs")
    torch.set_num_threads(_THREADS)
    trained = parser().parse_args(["train", *shop.training(data), "--out", "bundle"])
    tested = parser().parse_args(["evaluate", "bundle", *shop.evaluation(data)])
    items = {item.item_id: item for item in (Catalogue(trained.catalog) if trained.catalog else ())}
    learnt = past.gather(log_of(trained), items).past
    asked = Predictions.of(told_by(learnt.table, past.gather(log_of(tested), items, bots=True).past))
    asked = asked.at(np.sort(np.random.default_rng(0).permutation(len(asked))[:_ASKED]))

    # when
    lines = _lines(Learner(learnt, PLANS["fast"], 0, "cpu", _THREADS, Quiet()), learnt, asked)

    # then
    with capsys.disabled():
        print(f"\n{shop.name}, fast, {len(asked)} predictions: without ..., HR@20, MRR@20, recall@200")
        for line in lines:
            print(f"  {line.part:24} {line.hit_rate:.4f} {line.mrr:.4f} {line.recall:.4f}")
    whole = lines[0]
    for line in lines[1:]:
        if line.part in ("transformer", "correction"):
            assert whole.hit_rate > line.hit_rate
            assert whole.mrr > line.mrr


def _lines(learner: Learner, learnt: Past, asked: Predictions) -> list[Line]:
    plan = PLANS["fast"]
    split = Split.of(learnt.sessions, plan.rehearsed)
    first, _ = learner._fit("base", split.base, plan.base, None)
    second, _ = learner._fit("refit", learnt.sessions, plan.refit, first)
    base, refitted = learner._ranker(split.base, first), learner._ranker(learnt.sessions, second)
    stranger = Stranger(first, learner._words)

    def judged(part: str, before: Ranker, after: Ranker) -> Line:
        period = Predictions.of(split.period)
        seen = scenes(before, split, period, plan.refreshes)
        found = examples(seen, stranger.logits, 2 * len(period), _THREADS, lambda done, of: None)
        correction, _ = listwise.fit(found, untouched(tuple(before.sources)), 0)
        return _judged(part, after, asked, correction)

    lines = [judged("nothing", base, refitted), _judged("correction", refitted, asked, None)]
    lines.append(judged("transformer", without_transformer(base, None), without_transformer(refitted, None)))
    sources = [kind.name for kind in ALL]
    return [*lines, *(judged(f"source {name}", _without(base, name), _without(refitted, name)) for name in sources)]


def _without(ranker: Ranker, name: str) -> Ranker:
    sources = {other: source for other, source in ranker.sources.items() if other != name}
    return Ranker(ranker.table, sources, ranker.counts, ranker.model, ranker.options, "", "")


def _judged(part: str, ranker: Ranker, asked: Predictions, correction: Correction | None) -> Line:
    ranks = np.concatenate(
        [
            _ranks(ranker, asked.at(rows), correction)
            for rows in np.array_split(np.arange(len(asked)), max(1, len(asked) // _AT_ONCE))
        ]
    )
    hits = (ranks > 0) & (ranks <= _TOP)
    return Line(part, float(hits.mean()), float((hits / np.maximum(ranks, 1)).mean()), float((ranks > 0).mean()))


@torch.no_grad()
def _ranks(ranker: Ranker, asked: Predictions, correction: Correction | None) -> NDArray[np.int64]:
    """Of the targets in their pools, 0 where one is not in it; equal scores count against it."""
    queries, ranks = list(asked), []
    for query, considered, target in zip(queries, ranker.consider(queries), asked.targets.tolist(), strict=True):
        scores: NDArray[np.floating] = considered.logits
        if correction is not None:
            columns = features(considered.pool, query, ranker.counts, ranker.table)
            size = torch.tensor([len(considered.pool)])
            scores = correction(torch.from_numpy(scores)[None], torch.from_numpy(columns)[None], size)[0].numpy()
        ranks.append(_rank(considered.pool.ids.tolist(), scores, target))
    return np.array(ranks, dtype=np.int64)


def _rank(ids: Sequence[int], scores: NDArray[np.floating], target: int) -> int:
    return int((scores >= scores[ids.index(target)]).sum()) if target in ids else 0
