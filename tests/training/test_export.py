"""Graphs out of torch: what production computes is what was learned, of one session or many, on any machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import normalize

from schemas.errors import InvariantError
from schemas.item import Item
from serving.ranking import words
from serving.ranking.pool import Pool
from serving.ranking.query import Query
from serving.ranking.ranker import Considered
from serving.ranking.scorer import LENGTH_MAX, Blind, Scorer, Scores
from serving.ranking.table import Table
from serving.ranking.words import Words
from tests.kit.command import ROOT
from training import correction, export
from training.apprentice import Apprentice, Stranger
from training.correction import Correction
from training.transformer import Shape, Transformer

pytestmark = pytest.mark.usefixtures("one_thread")

ITEMS, F = 300, 9
SHAPE = Shape(items=ITEMS, words=16, width=16, heads=2, blocks=2)
WORDS = Words(np.arange(ITEMS, dtype=np.int32) % 16, np.arange(ITEMS + 1, dtype=np.int64), 16)
SIZES = (1, 2, 7, 50, 199, 200)
NEAR = 1e-4


@dataclass(frozen=True, slots=True)
class Made:
    """Networks as they were learned, and what was exported of them."""

    transformer: Transformer
    correction: Correction
    encode: bytes
    score: bytes
    blind: bytes

    @property
    def vectors(self) -> NDArray[np.float16]:
        return export.item_vectors(self.transformer, WORDS, np.ones(ITEMS, dtype=np.bool_))

    @property
    def scorer(self) -> Scorer:
        return Scorer(self.encode, self.score, self.vectors)

    @property
    def apprentice(self) -> Apprentice:
        return Apprentice(self.transformer, self.vectors)


@pytest.fixture(scope="module")
def made() -> Made:
    chance = torch.Generator().manual_seed(7)
    transformer, learned = Transformer(SHAPE), Correction(F)
    with torch.no_grad():
        for weight in (*transformer.parameters(), *learned.parameters()):
            weight.add_(0.2 * torch.randn(weight.shape, generator=chance))
        transformer.log_temperature.fill_(2.6)
        learned.deviation.fill_(2)
    graphs = export.encode_graph(transformer), export.score_graph(transformer, learned), export.blind_graph(learned)
    return Made(transformer.eval(), learned.eval(), *graphs)


@pytest.fixture(scope="module")
def scorer(made: Made) -> Scorer:
    return made.scorer


def queries(count: int, seed: int = 0) -> list[Query]:
    """Sessions of all lengths, some longer than the model looks back, some empty."""
    chance = np.random.default_rng(seed)
    found = []
    for length in chance.integers(0, LENGTH_MAX + 20, size=count).tolist():
        items = chance.integers(0, ITEMS, size=length).astype(np.int32)
        times = np.cumsum(chance.integers(-500, 90_000, size=length))  # a clock that goes back at times
        found.append(Query(items, chance.integers(0, 4, size=length).astype(np.uint8), times, 0))
    return found


def pools(sizes: Sequence[int], seed: int = 0) -> tuple[list[NDArray[np.int32]], list[NDArray[np.float32]]]:
    chance = np.random.default_rng(seed)
    ids = [chance.permutation(ITEMS)[:size].astype(np.int32) for size in sizes]
    return ids, [3 * chance.normal(size=(size, F)).astype(np.float32) for size in sizes]


def learned(made: Made, sessions: NDArray[np.float32], ids: NDArray[np.int32], features: NDArray[np.float32]) -> Scores:
    """The same by torch, for one pool."""
    with torch.no_grad():
        vectors = torch.from_numpy(made.vectors[ids].astype(np.float32))
        logits = (made.transformer.temperature * vectors @ torch.from_numpy(sessions))[None]
        found = made.correction(logits, torch.from_numpy(features)[None], torch.tensor([len(ids)]))
    return Scores(found[0].numpy(), logits[0].numpy())


def test_what_is_said_of_an_item_that_nobody_touched_hangs_on_its_words_alone(made: Made) -> None:
    # given: words of the first half of the items
    starts = np.minimum(np.arange(ITEMS + 1, dtype=np.int64), ITEMS // 2)
    words = Words(WORDS.words[: ITEMS // 2], starts, 16)
    stranger = Stranger(made.transformer, words)
    ids = np.array([3, 299, 19, 4], dtype=np.int32)
    vector = made.apprentice.encode(queries(9)[-1:])[0]

    # when
    heard = stranger.logits(considered(ids, vector))

    # then: 3 and 19 have the same word
    own = made.transformer.items.words
    assert own is not None
    spoken = normalize(own.weight[[3, 3, 4]].detach(), dim=1).numpy()
    expected = made.transformer.temperature.item() * spoken @ vector
    assert heard[[0, 2, 3]] == pytest.approx(expected, abs=0.05)
    assert np.isnan(heard[1])


def test_where_no_transformer_ranks_a_stranger_has_the_logit_of_all_others(made: Made) -> None:
    heard = Stranger(made.transformer, WORDS).logits(considered(np.arange(3, dtype=np.int32), None))
    assert heard.tolist() == [0, 0, 0]


def considered(ids: NDArray[np.int32], vector: NDArray[np.float32] | None) -> Considered:
    nothing = np.zeros((len(ids), 0), dtype=np.float32)
    pool = Pool(ids, nothing, nothing, nothing.astype(np.int32))
    return Considered(pool, np.zeros(len(ids)), np.zeros(len(ids), dtype=np.float32), vector, None)


def test_a_thousand_sessions_are_encoded_as_torch_does_it(made: Made, scorer: Scorer) -> None:
    asked = queries(1_000)
    assert np.abs(scorer.encode(asked) - made.apprentice.encode(asked)).max() < NEAR


def test_of_many_sessions_each_is_encoded_as_if_alone(scorer: Scorer) -> None:
    asked = queries(80, seed=1)
    together = scorer.encode(asked)
    for row, query in enumerate(asked):
        assert np.abs(scorer.encode([query]) - together[row]).max() < NEAR


def test_a_session_vector_has_length_1_and_of_nothing_is_nothing(scorer: Scorer) -> None:
    asked = queries(50, seed=2)
    lengths = np.linalg.norm(scorer.encode(asked), axis=1)
    assert lengths == pytest.approx([float(len(query) > 0) for query in asked], abs=1e-3)


def test_of_a_long_session_the_last_items_count(scorer: Scorer) -> None:
    # given
    [long] = [query for query in queries(20, seed=3) if len(query) > LENGTH_MAX][:1]
    tail = Query(long.items[-LENGTH_MAX:], long.types[-LENGTH_MAX:], long.times[-LENGTH_MAX:], 0)

    # then
    assert np.array_equal(scorer.encode([long]), scorer.encode([tail]))
    assert np.array_equal(scorer.encode([long, long])[1], scorer.encode([tail, tail])[1])


@pytest.mark.parametrize("size", SIZES)
def test_a_pool_is_scored_as_torch_does_it(made: Made, scorer: Scorer, size: int) -> None:
    # given
    [session] = scorer.encode(queries(1, seed=5))
    [ids], [features] = pools([size])

    # when
    found, expected = scorer.score(session[None], [ids], [features]), learned(made, session, ids, features)

    # then
    assert np.abs(found.fusion[0] - expected.fusion).max() < NEAR * max(1, np.abs(expected.fusion).max())
    assert np.abs(found.logits[0] - expected.logits).max() < NEAR * max(1, np.abs(expected.logits).max())


@pytest.mark.parametrize("sizes", [SIZES, (3, 3), (0, 4), (200,) * 32], ids=str)
def test_of_many_pools_each_is_scored_as_if_alone(scorer: Scorer, sizes: tuple[int, ...]) -> None:
    # given
    sessions = scorer.encode(queries(len(sizes), seed=6))
    ids, features = pools(sizes)

    # when
    together = scorer.score(sessions, ids, features)

    # then
    for row, size in enumerate(sizes):
        if size:
            alone = scorer.score(sessions[row : row + 1], ids[row : row + 1], features[row : row + 1])
            assert together.fusion[row, :size] == pytest.approx(alone.fusion[0], abs=1e-3, rel=NEAR)
            assert together.logits[row, :size] == pytest.approx(alone.logits[0], abs=1e-3, rel=NEAR)


@pytest.mark.parametrize("sessions", [1, 3])
def test_pools_without_a_candidate_get_no_score(scorer: Scorer, made: Made, sessions: int) -> None:
    # given
    ids, features = pools([0] * sessions)

    # then
    for model in (scorer, Blind(made.blind)):
        encoded = model.encode(queries(sessions))
        found = model.score(encoded, ids, features)
        assert encoded.shape[0] == found.fusion.shape[0] == sessions
        assert found.fusion.size == found.logits.size == 0


def test_without_the_transformer_the_graph_is_the_correction_of_no_logits(made: Made) -> None:
    # given
    ids, features = pools([5, 3])
    padded = np.zeros((2, 5, F), dtype=np.float32)
    padded[0], padded[1, :3] = features

    # when
    found = Blind(made.blind).score(np.zeros((2, 0), dtype=np.float32), ids, features)

    # then
    with torch.no_grad():
        expected = correction.Blind(made.correction)(torch.from_numpy(padded), torch.tensor([5, 3])).numpy()
    assert np.abs(found.fusion[0] - expected[0]).max() < NEAR
    assert np.abs(found.fusion[1, :3] - expected[1, :3]).max() < NEAR
    assert not found.logits.any()


def test_the_same_network_gives_the_same_bytes(made: Made) -> None:
    assert export.blind_graph(made.correction) == made.blind
    assert export.encode_graph(made.transformer) == made.encode


def test_a_graph_does_not_say_where_it_was_made(made: Made) -> None:
    for data in (made.encode, made.score, made.blind):
        assert str(ROOT).encode() not in data
        assert b"site-packages" not in data
        assert b".py" not in data


def test_a_graph_that_is_off_its_network_is_refused(made: Made) -> None:
    # given
    inputs = {"features": torch.ones(2, 3, F), "sizes": torch.tensor([3, 2])}
    other = correction.Blind(Correction(F)).eval()

    # then
    export._check(correction.Blind(made.correction), inputs, made.blind)
    with pytest.raises(InvariantError, match="off its network"):
        export._check(other, inputs, made.blind)


def test_a_network_that_computes_no_numbers_is_refused(made: Made) -> None:
    # given
    class Broken(nn.Module):
        def forward(self, features: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
            return torch.nan * features[:, :, 0]

    # then
    inputs = {"features": torch.ones(2, 3, F), "sizes": torch.tensor([3, 2])}
    with pytest.raises(InvariantError):
        export._check(Broken(), inputs, made.blind)


def test_item_vectors_are_those_of_the_network_to_half_precision(made: Made) -> None:
    # when
    with torch.no_grad():
        expected = made.transformer.items(torch.arange(ITEMS), torch.arange(ITEMS) % 16, torch.arange(ITEMS), None)

    # then
    assert made.vectors.dtype == np.float16
    assert np.abs(made.vectors - expected.numpy()).max() < 1e-3
    assert export.word_vectors(made.transformer).shape == (16, 16)
    assert export.word_vectors(Transformer(Shape(items=3, width=16))).shape == (0, 16)


def test_what_comes_after_training_has_the_vector_that_training_gives_what_nobody_touched() -> None:
    # given
    goods = [
        Item(item_id="a", title="A red lamp", category=("Home", "Light"), brand="Lux", price="19.99"),
        Item(item_id="b", title="A blue lamp, with a shade", category=("Home",)),
        Item(item_id="c", title="", brand="Älter", price="0.70"),
    ]
    told = Words.of(Table.make((), {item.item_id: item for item in goods}))
    transformer = Transformer(Shape(items=len(goods), words=told.places, width=16))

    # when
    trained = export.item_vectors(transformer, told, np.zeros(len(goods), dtype=np.bool_))
    later = [words.told(item, export.word_vectors(transformer)) for item in goods]

    # then
    assert np.array(later) == pytest.approx(trained, abs=2e-3)
