"""The transformer: what a session's vector depends on, and what it must not depend on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from serving.ranking.scorer import LENGTH_MAX
from training.transformer import Items, Shape, Transformer, gap_codes

pytestmark = pytest.mark.usefixtures("one_thread")

D = 16
SHAPE = Shape(items=30, words=8, width=D, heads=2, blocks=2)


@pytest.fixture(scope="module")
def transformer() -> Transformer:
    """Untrained, and no part of it idle."""
    return stirred(Transformer(SHAPE)).eval()


def stirred(network: Transformer) -> Transformer:
    chance = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, generator=chance))
    return network


def session(length: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """The vectors, types and gaps of a session."""
    chance = torch.Generator().manual_seed(seed)
    vectors = nn.functional.normalize(torch.randn(1, length, D, generator=chance), dim=-1)
    types = torch.randint(0, 4, (1, length), generator=chance)
    return vectors, types, 1000 * torch.rand(1, length, generator=chance)


@torch.no_grad()
def encode(transformer: Transformer, given: tuple[Tensor, Tensor, Tensor], only: int | None = None) -> Tensor:
    made: Tensor = transformer.encoder(*given, torch.tensor([given[0].shape[1]]), only)
    return made[0]


@pytest.mark.parametrize("length", [1, 2, 7, 40])
def test_what_pads_a_row_changes_nothing(transformer: Transformer, length: int) -> None:
    # given
    alone = encode(transformer, session(length))

    # when: it stands behind the remains of another
    pairs = zip(session(10, seed=1), session(length), strict=True)
    padded = [torch.cat(pair, dim=1) for pair in pairs]
    with torch.no_grad():
        found = transformer.encoder(*padded, torch.tensor([length]))

    # then
    assert torch.allclose(found[0, 10:], alone, atol=1e-6)


def test_a_place_does_not_know_what_comes_after_it(transformer: Transformer) -> None:
    # given
    whole = session(12)
    changed = [torch.cat((mine[:, :8], other[:, 8:]), dim=1) for mine, other in zip(whole, session(12, 1), strict=True)]

    # when
    before, after = encode(transformer, whole), encode(transformer, (changed[0], changed[1], changed[2]))

    # then
    assert torch.equal(before[:8], after[:8])
    assert not torch.allclose(before[8], after[8])


@pytest.mark.parametrize("length", [1, 2, 9, LENGTH_MAX])
def test_one_pass_over_a_session_answers_for_all_its_prefixes(transformer: Transformer, length: int) -> None:
    # given
    vectors, types, gaps = session(length)

    # when
    together = encode(transformer, (vectors, types, gaps))

    # then
    for end in range(1, length + 1):
        prefix = (vectors[:, :end], types[:, :end], gaps[:, :end])
        assert torch.allclose(encode(transformer, prefix, only=1)[0], together[end - 1], atol=1e-5)


@pytest.mark.parametrize("only", [1, 2, 5])
def test_the_last_places_alone_are_the_last_of_all(transformer: Transformer, only: int) -> None:
    whole, last = encode(transformer, session(5)), encode(transformer, session(5), only)
    assert last.shape == (only, D)
    assert torch.allclose(whole[-only:], last, atol=1e-6)


@pytest.mark.parametrize("changed", [0, 1, 2], ids=["items", "types", "gaps"])
@pytest.mark.parametrize("place", [0, 3])
def test_everything_that_is_known_of_a_session_tells(transformer: Transformer, changed: int, place: int) -> None:
    # given
    given = list(session(4))
    before = encode(transformer, (given[0], given[1], given[2]), only=1)

    # when
    other = (-given[0], 3 - given[1], given[2] + 50_000)[changed]
    given[changed] = torch.cat(
        (given[changed][:, :place], other[:, place : place + 1], given[changed][:, place + 1 :]), 1
    )
    after = encode(transformer, (given[0], given[1], given[2]), only=1)

    # then
    assert (before - after).abs().max() > 1e-4


def test_the_order_of_a_session_tells(transformer: Transformer) -> None:
    vectors, types, gaps = session(3)
    turned = (vectors[:, [1, 0, 2]], types, gaps)
    assert not torch.allclose(encode(transformer, (vectors, types, gaps), 1), encode(transformer, turned, 1), atol=1e-3)


def test_sessions_and_items_lie_on_the_same_sphere(transformer: Transformer) -> None:
    # when
    with torch.no_grad():
        items = transformer.items(torch.arange(3), torch.tensor([0, 1, 5]), torch.tensor([0, 2, 3]), None)

    # then
    assert torch.allclose(encode(transformer, session(6)).norm(dim=1), torch.ones(6))
    assert torch.allclose(items.norm(dim=1), torch.ones(3))


def test_a_forgotten_item_is_known_by_its_words_alone(transformer: Transformer) -> None:
    # given: two items with the same words, one of them forgotten, then both
    ids, words, starts = torch.tensor([3, 4]), torch.tensor([1, 6, 1, 6]), torch.tensor([0, 2])

    # when
    with torch.no_grad():
        one = transformer.items(ids, words, starts, torch.tensor([1.0, 0.0]))
        both = transformer.items(ids, words, starts, torch.zeros(2))
        none = transformer.items(ids, words, starts, None)

    # then
    assert torch.equal(both[0], both[1])
    assert torch.equal(one[1], both[1])
    assert torch.equal(one[0], none[0])
    assert not torch.allclose(none[0], none[1])


def test_without_a_catalogue_items_are_what_was_learned_of_them() -> None:
    items = Items(Shape(items=5, width=D))
    made = items(torch.tensor([2]), None, None, None)
    assert torch.allclose(made, nn.functional.normalize(items.own.weight[[2]], dim=-1))


def test_gaps_are_told_apart_by_doublings_and_a_clock_that_goes_back_has_none() -> None:
    seconds = torch.tensor([-5.0, 0.0, 0.4, 1.0, 1.5, 3.0, 60.0, 3_600.0, 86_400.0, 1e9])
    assert gap_codes(seconds).tolist() == [0, 0, 1, 1, 2, 2, 6, 12, 17, 17]
