"""The correction: the transformer's logit, weighed, and what the candidate's features add to it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.correction import Blind, Correction

pytestmark = pytest.mark.usefixtures("one_thread")

F = 5


@pytest.fixture
def correction() -> Correction:
    torch.manual_seed(3)
    made = Correction(F)
    with torch.no_grad():
        made.trust.fill_(1.5)
        made.mean.copy_(torch.arange(F))
        made.deviation.fill_(2.0)
    return made.eval()


def pools(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, features and sizes of three pools of 6 places."""
    chance = torch.Generator().manual_seed(seed)
    logits, features = (torch.randn(*shape, generator=chance) for shape in [(3, 6), (3, 6, F)])
    return 4 * logits, features, torch.tensor([6, 3, 1])


@torch.no_grad()
def test_a_score_is_the_weighed_logit_and_what_the_network_adds(correction: Correction) -> None:
    # given
    logits, features, sizes = pools()
    before = correction(logits, features, sizes)

    # when: the network is silenced
    for weights in correction.network.parameters():
        weights.zero_()
    after = correction(logits, features, sizes)

    # then
    inside = torch.arange(6)[None] < sizes[:, None]
    assert torch.equal(after[inside], 1.5 * logits[inside])
    assert not torch.allclose(before[inside], after[inside])


@torch.no_grad()
def test_what_pads_a_pool_never_wins_and_changes_no_score(correction: Correction) -> None:
    # given: padding that would win if it could
    logits, features, sizes = pools()
    other = torch.where(torch.arange(6)[None] < sizes[:, None], logits, 90.0)

    # when
    scores, others = correction(logits, features, sizes), correction(other, features, sizes)

    # then
    assert torch.equal(scores, others)
    assert (scores.argmax(1) < sizes).all()
    for row, size in enumerate(sizes.tolist()):
        alone = correction(logits[row : row + 1, :size], features[row : row + 1, :size], sizes[row : row + 1])
        assert torch.allclose(alone[0], scores[row, :size], atol=1e-5)
        assert (scores[row, size:] < scores[row, :size].min() - 1000).all()


@torch.no_grad()
def test_a_candidate_is_told_how_it_stands_among_the_others(correction: Correction) -> None:
    # given: the same logit and features, once far ahead of the pool and once far behind it
    logits, features, sizes = torch.full((2, 4), 2.0), torch.zeros(2, 4, F), torch.tensor([4, 4])
    logits[0, 1:], logits[1, 1:] = -9.0, 9.0

    # then
    scores = correction(logits, features, sizes)
    assert not torch.isclose(scores[0, 0], scores[1, 0], atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("extreme", [1e30, -1e30])
def test_no_feature_is_so_large_that_the_score_is_no_number(correction: Correction, extreme: float) -> None:
    logits, features, sizes = pools()
    features[0, 0, 2] = extreme
    assert torch.isfinite(correction(logits, features, sizes)).all()


@torch.no_grad()
def test_without_the_transformer_no_logit_matters(correction: Correction) -> None:
    logits, features, sizes = pools()
    blind = Blind(correction)(features, sizes)
    assert torch.equal(blind, correction(torch.zeros_like(logits), features, sizes))
    assert not torch.allclose(blind[0], correction(logits, features, sizes)[0])
