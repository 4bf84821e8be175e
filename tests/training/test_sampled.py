"""The sampled softmax: plain cross entropy where nothing is left out, and its gradient, written by hand, autograd's."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from training.sampled import SampledSoftmax

pytestmark = pytest.mark.usefixtures("one_thread")

N, K, D = 5, 40, 8
NOWHERE = torch.zeros((0, 2), dtype=torch.long)


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def sampled(
    sessions: Tensor, targets: Tensor, sample: Tensor, odds: Tensor, hits: Tensor, *, half: bool = False
) -> Tensor:
    made: Tensor = SampledSoftmax.apply(sessions, targets, sample, odds, hits, half)
    return made


def plain(sessions: Tensor, targets: Tensor, sample: Tensor, odds: Tensor, hits: Tensor) -> Tensor:
    """The formula, as slow and as large as it is on paper."""
    wrong = sessions @ sample.T - odds
    barred = torch.zeros_like(wrong, dtype=torch.bool)
    barred[hits[:, 0], hits[:, 1]] = True
    right = (sessions * targets).sum(1, keepdim=True)
    logits = torch.cat((right, wrong.masked_fill(barred, -torch.inf)), dim=1)
    return torch.logsumexp(logits, 1) - right[:, 0]


def test_of_the_whole_catalogue_it_is_plain_cross_entropy() -> None:
    # given
    catalogue, sessions = drawn(K, D), 3 * drawn(N, D, seed=1)
    targets = torch.tensor([0, 7, 7, 39, 12])

    # when
    hits = torch.stack((torch.arange(N), targets), dim=1)
    found = sampled(sessions, catalogue[targets], catalogue, torch.zeros(K, dtype=torch.float64), hits)

    # then
    assert torch.allclose(found, cross_entropy(sessions @ catalogue.T, targets, reduction="none"), atol=1e-12)


def test_a_large_sample_with_its_odds_stands_for_the_catalogue() -> None:
    # given: some items are drawn a hundred times as often as others
    catalogue, sessions = drawn(K, D), drawn(N, D, seed=1)
    targets = torch.tensor([0, 7, 7, 39, 12])
    shares = torch.linspace(1, 100, K, dtype=torch.float64)
    shares /= shares.sum()

    # when
    count = 200_000
    sample = torch.multinomial(shares, count, replacement=True, generator=torch.Generator().manual_seed(2))
    odds = torch.log(shares * count)[sample]
    found = sampled(sessions, catalogue[targets], catalogue[sample], odds, (sample == targets[:, None]).nonzero())

    # then
    expected = cross_entropy(sessions @ catalogue.T, targets, reduction="none")
    assert torch.allclose(found, expected, atol=0.02)


def test_its_gradients_are_those_of_the_formula() -> None:
    # given
    hits = torch.tensor([[0, 3], [2, 2], [2, 30], [4, 0]])
    odds, weights = drawn(K, seed=4), torch.tensor([1.0, 0.5, 2.0, 0.0, 1.5], dtype=torch.float64)
    gradients = []

    # when
    for form in (partial(sampled, half=False), plain):
        sessions, targets, sample = drawn(N, D, seed=1), drawn(N, D, seed=2), drawn(K, D, seed=3)
        leaves = [each.requires_grad_() for each in (sessions, targets, sample)]
        losses: Tensor = form(sessions, targets, sample, odds, hits)
        gradients.append([losses.detach(), *torch.autograd.grad((losses * weights).sum(), leaves)])

    # then
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)


def test_a_hit_is_no_wrong_answer() -> None:
    # given: what is drawn is the target itself
    sessions, targets, sample = drawn(1, D), drawn(1, D, seed=1), drawn(3, D, seed=2)
    sample[1] = targets[0]
    sample.requires_grad_()
    odds = torch.zeros(3, dtype=torch.float64)

    # when
    missed = sampled(sessions, targets, sample, odds, NOWHERE)
    spared = sampled(sessions, targets, sample, odds, torch.tensor([[0, 1]]))

    # then
    without = sampled(sessions, targets, sample[[0, 2]], odds[:2], NOWHERE)
    assert spared.item() == pytest.approx(without.item())
    assert spared.item() < missed.item()
    [pull] = torch.autograd.grad(spared.sum(), sample)
    assert not pull[1].any()


def test_in_half_precision_it_is_nearly_the_same() -> None:
    # given
    given = [drawn(*shape, seed=seed, dtype=torch.float32) for seed, shape in enumerate([(N, D), (N, D), (K, D), (K,)])]
    found = []

    # when
    for half in (False, True):
        leaves = [each.clone().requires_grad_() for each in given[:3]]
        sessions, targets, sample = leaves
        losses = sampled(sessions, targets, sample, given[3], torch.tensor([[1, 1]]), half=half)
        found.append([losses.detach(), *torch.autograd.grad(losses.sum(), leaves)])

    # then
    for whole, half_ in zip(*found, strict=True):
        assert torch.allclose(whole, half_, atol=0.03)
        assert half_.dtype == torch.float32


def test_logits_of_any_size_give_a_finite_loss() -> None:
    sessions = (1000 * drawn(N, D)).requires_grad_()
    losses = sampled(sessions, drawn(N, D, seed=1), drawn(K, D, seed=2), torch.zeros(K, dtype=torch.float64), NOWHERE)
    [pull] = torch.autograd.grad(losses.sum(), sessions)
    assert torch.isfinite(losses).all()
    assert torch.isfinite(pull).all()
    assert (losses >= 0).all()
