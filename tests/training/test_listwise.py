"""The correction's fit: it finds what tells the next item, and adds nothing where there is nothing to learn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from serving.ranking.features import names
from tests import worlds
from training import listwise
from training.correction import Correction
from training.listwise import HELD_OUT, Examples

pytestmark = pytest.mark.usefixtures("one_thread")

F, N = 6, 20
TELLS = 2
NONE = np.full(F, np.nan, dtype=np.float32)


def told(count: int, seed: int = 0) -> Examples:
    """Pools in which the item that came next is the one of which feature TELLS is highest; logits are noise."""
    chance = np.random.default_rng(seed)
    features = chance.normal(size=(count, N, F)).astype(np.float16)
    sizes = chance.integers(2, N + 1, size=count).astype(np.int16)
    outside = np.arange(N)[None] >= sizes[:, None]
    targets = np.where(outside, -np.inf, features[:, :, TELLS]).argmax(axis=1).astype(np.int16)
    features[outside] = 0
    logits = np.where(outside, 0, chance.normal(size=(count, N))).astype(np.float16)
    return Examples(
        features, logits, np.full_like(logits, np.nan), sizes, targets, np.arange(count, dtype=np.int32) // 3
    )


@torch.no_grad()
def first(correction: Correction, examples: Examples) -> NDArray[np.int64]:
    """The place that wins each pool."""
    columns = (examples.logits, examples.features, examples.sizes)
    logits, features, sizes = (torch.from_numpy(each.astype(np.float32)) for each in columns)
    found: NDArray[np.int64] = correction(logits, features, sizes.long()).argmax(1).numpy()
    return found


def test_it_learns_which_feature_tells_the_answer() -> None:
    # when
    correction, losses = listwise.fit(told(900), NONE, seed=1)

    # then
    fresh = told(300, seed=9)
    assert (first(correction, fresh) == fresh.targets).mean() > 0.85
    assert losses[-1] < 0.3 * losses[0]


def test_a_transformer_that_tells_the_answer_is_believed() -> None:
    # given: the logits know it, the features nothing
    examples = told(900)
    right = np.arange(N)[None] == examples.targets[:, None]
    logits = (examples.logits + 3 * right).astype(np.float16)
    noise = np.random.default_rng(5).normal(size=examples.features.shape).astype(np.float16)

    # when
    correction, _ = listwise.fit(replace(examples, logits=logits, features=noise), NONE, seed=1)

    # then
    places = first(correction, replace(examples, logits=logits, features=noise))
    assert (places == examples.targets).mean() > 0.7
    assert correction.trust.item() > 0.5


def test_the_same_examples_and_seed_give_the_same_weights() -> None:
    (one, losses), (two, again), (other, _) = (listwise.fit(told(200), NONE, seed, epochs=2) for seed in (1, 1, 2))
    assert losses == again
    assert all(torch.equal(mine, two.state_dict()[name]) for name, mine in one.state_dict().items())
    assert any(not torch.equal(mine, other.state_dict()[name]) for name, mine in one.state_dict().items())


def test_what_is_kept_is_the_best_on_sessions_that_were_not_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    # given: nothing to learn but by heart
    examples = told(120)
    examples.targets[:] = np.random.default_rng(3).integers(0, examples.sizes)
    monkeypatch.setattr(listwise, "_RATE", 0.03)

    # when
    correction, losses = listwise.fit(examples, NONE, seed=1, epochs=20)

    # then
    watched = np.flatnonzero(examples.sessions % HELD_OUT == 0)
    assert losses[-1] > min(losses)
    assert listwise._mean_loss(correction, examples, watched) == pytest.approx(min(losses), rel=1e-5)


def test_a_feature_that_is_always_the_same_does_no_harm() -> None:
    # given
    examples = told(200)
    examples.features[:, :, 0] = 3

    # when
    correction, losses = listwise.fit(examples, NONE, seed=1, epochs=2)

    # then
    assert np.isfinite(losses).all()
    assert torch.isfinite(correction.deviation).all()
    assert (correction.deviation > 0).all()


@pytest.mark.parametrize("kept", [[], [0]], ids=["none", "of held out sessions alone"])
def test_from_too_few_examples_comes_a_correction_all_the_same(kept: list[int]) -> None:
    # given
    few = Examples(*(getattr(told(1), column)[kept] for column in Examples.__slots__))

    # when
    correction, losses = listwise.fit(few, NONE, seed=1, epochs=2)

    # then
    assert np.isfinite(losses).all()
    assert all(torch.isfinite(weights).all() for weights in correction.state_dict().values())


def test_an_untaught_correction_adds_nothing() -> None:
    # given
    ranker = worlds.ranker(worlds.World(3, ()))
    untaught = listwise.untaught(ranker)

    # when
    logits, features = torch.randn(2, 4), torch.randn(2, 4, len(names(tuple(ranker.sources))))
    with torch.no_grad():
        scores = untaught(logits, features, torch.tensor([4, 4]))

    # then
    assert torch.equal(scores, logits)


def test_an_item_without_history_is_scored_fairly(monkeypatch: pytest.MonkeyPatch) -> None:
    # given: whom others have touched, the past tells; of whom they have not, words do
    def shop(seed: int) -> Examples:
        made = told(900, seed)
        right = np.arange(N)[None] == made.targets[:, None]
        made.features[:, :, TELLS] = np.where(np.arange(N)[None] < made.sizes[:, None], 1 + 4 * right, 0)
        return replace(made, bare=(made.logits + 3 * right).astype(np.float16))

    past, new = NONE.copy(), shop(9)
    past[TELLS] = -2
    new.features[np.arange(900), new.targets, TELLS] = -2
    new.logits[np.arange(900), new.targets] = new.bare[np.arange(900), new.targets]

    def found(share: float) -> float:
        monkeypatch.setattr(listwise, "_FORGOTTEN", share)
        correction, _ = listwise.fit(shop(0), past, seed=1, epochs=40)
        return float((first(correction, new) == new.targets).mean())

    # then: who has never met one believes the past alone
    assert found(0.1) > found(0.0) + 0.15


def test_where_no_words_are_left_nothing_is_forgotten() -> None:
    # given: logits that would be ruined
    examples = told(200)
    everything = np.zeros(F, dtype=np.float32)

    # then
    (one, losses), (two, again) = (listwise.fit(examples, columns, seed=1, epochs=2) for columns in (NONE, everything))
    assert losses == again
    assert all(torch.equal(mine, two.state_dict()[name]) for name, mine in one.state_dict().items())


def test_features_are_standardised_on_all_of_the_period_not_on_its_beginning() -> None:
    # given: a feature that grows from the first example to the last
    examples = told(6_000)
    examples.features[:, :, 0] = np.linspace(0, 8, 6_000)[:, None]

    # when
    correction, _ = listwise.fit(examples, NONE, seed=1, epochs=1)

    # then
    assert correction.mean[0] == pytest.approx(4, abs=0.2)


def test_a_correction_that_had_tutors_is_another_and_as_good() -> None:
    # when
    (alone, _), (tutored, losses) = (
        listwise.fit(told(900), NONE, seed=1),
        listwise.fit(told(900), NONE, seed=1, tutors=2),
    )

    # then
    fresh = told(300, seed=9)
    assert any(not torch.equal(one, other) for one, other in zip(alone.parameters(), tutored.parameters(), strict=True))
    assert (first(tutored, fresh) == fresh.targets).mean() > 0.8
    assert losses == listwise.fit(told(900), NONE, seed=1, tutors=2)[1]
