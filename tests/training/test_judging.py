"""Judging: one ranker in three orders, and each candidate where it stands in each."""

from __future__ import annotations

import numpy as np
import pytest

from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.ranker import Ranker
from serving.ranking.sources.transformer import Transformer
from tests import worlds
from tests.worlds.signpost import Signpost, led
from training.judging import Judging, without_transformer

WORLD = worlds.chain(600)


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    """One whose transformer alone finds the item two further up the shelf."""
    plain = worlds.ranker(WORLD)
    vectors = np.eye(600, dtype=np.float16) + np.roll(np.eye(600, dtype=np.float16), 7, axis=1)
    found = Transformer.fit(Past(WORLD.sessions, WORLD.table, vectors))
    sources = {**plain.sources, Transformer.name: found}
    retrieving = Ranker(plain.table, sources, plain.counts, None, plain.options, "", "")
    return led(retrieving, Signpost(600))


def asked(*items: int) -> Query:
    count = len(items)
    return Query(np.array(items, np.int32), np.zeros(count, np.uint8), np.arange(count, dtype=np.int64), 0)


def test_every_candidate_of_either_pool_is_judged_once(ranker: Ranker) -> None:
    # given
    judging = Judging(ranker, None)
    queries = [asked(10), asked(3, 20), asked()]

    # when
    judged = judging.judge(queries)

    # then
    wholes, blinds = ranker.consider(queries), without_transformer(ranker, None).consider(queries)
    assert any(set(whole.pool.ids) != set(blind.pool.ids) for whole, blind in zip(wholes, blinds, strict=True))
    for found, whole, blind in zip(judged, wholes, blinds, strict=True):
        assert sorted(found.ids.tolist()) == sorted({*whole.pool.ids.tolist(), *blind.pool.ids.tolist()})
        of_whole = dict(zip(whole.pool.ids.tolist(), whole.scores.tolist(), strict=True))
        of_blind = dict(zip(blind.pool.ids.tolist(), blind.scores.tolist(), strict=True))
        for row, item in enumerate(found.ids.tolist()):
            assert found.fusion[row] == pytest.approx(of_whole.get(item, np.nan), nan_ok=True)
            assert found.without_transformer[row] == pytest.approx(of_blind.get(item, np.nan), nan_ok=True)
            assert np.isfinite(found.transformer[row]) == (item in of_whole)


def test_a_candidate_carries_a_bit_for_each_source_that_brought_it(ranker: Ranker) -> None:
    # when
    [found] = Judging(ranker, None).judge([asked(10)])

    # then
    names = list(ranker.sources)
    [pool] = [each.pool for each in ranker.consider([asked(10)])]
    for item, bits in zip(found.ids.tolist(), found.sources.tolist(), strict=True):
        brought = {
            names[column] for row in np.flatnonzero(pool.ids == item) for column in np.flatnonzero(pool.ranks[row])
        }
        assert {name for at, name in enumerate(names) if bits >> at & 1} == brought


def test_without_the_transformer_nothing_of_it_is_left(ranker: Ranker) -> None:
    blind = without_transformer(ranker, None)
    assert Transformer.name in ranker.sources
    assert Transformer.name not in blind.sources
    assert blind.model is None
    assert blind.counts is ranker.counts


def test_counts_made_again_are_the_same_model_over_another_past(ranker: Ranker) -> None:
    # given
    judging = Judging(ranker, None)
    other = worlds.World(600, ((10, 30),) * 50)

    # when
    again = judging.recounted(Past(other.sessions, ranker.table))

    # then
    assert again.model is judging.model
    assert again.sources[Transformer.name] is judging.sources[Transformer.name]
    assert 30 in again.sources["covisitation"].candidates(asked(10), 3).ids
    assert 30 not in judging.sources["covisitation"].candidates(asked(10), 3).ids
