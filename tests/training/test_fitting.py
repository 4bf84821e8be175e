"""The fit: it learns the world it is shown, and the same weights whether it ran through or was interrupted."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from serving.ranking.words import Words
from tests import worlds
from tests.worlds import World
from training.checkpoint import Checkpoint, InFile, Keeper, Nowhere
from training.fitting import Fit, Lessons
from training.transformer import Shape
from training.windows import Windows

pytestmark = pytest.mark.usefixtures("one_thread")

CHAIN = worlds.chain()
SHORT = worlds.chain(items=12)
QUICK = Lessons(epochs=1, batch=256, sample=32, steps=800)


def fit(world: World, lessons: Lessons = QUICK, seed: int = 1, words: Words | None = None, drop: bool = True) -> Fit:
    past = world.sessions
    silent = Words(np.zeros(0, dtype=np.int32), np.zeros(world.items + 1, dtype=np.int64), 0)
    told = words or silent
    windows = Windows.cut(past, np.ones(len(past.items), dtype=np.float32))
    shape = Shape(world.items, told.places, width=16, heads=2, blocks=1)
    return Fit(windows, told, shape, lessons, drop_last_item=drop, seed=seed)


def run(fit: Fit, keeper: Keeper | None = None) -> list[tuple[int, int]]:
    """What was told."""
    said: list[tuple[int, int]] = []
    fit.run(keeper or Nowhere(), lambda done, of: said.append((done, of)))
    return said


def weights(fit: Fit) -> dict[str, Tensor]:
    return fit.model.state_dict()


def same(one: Fit, other: Fit) -> bool:
    return all(torch.equal(mine, weights(other)[name]) for name, mine in weights(one).items())


@dataclass(slots=True)
class Cut:
    """Keeps what it is given, and then ends the process as often as it is told to."""

    keeper: Keeper
    after: int
    kept: list[int] = field(default_factory=list)

    def find(self) -> Checkpoint | None:
        return self.keeper.find()

    def keep(self, checkpoint: Checkpoint) -> None:
        self.keeper.keep(checkpoint)
        self.kept.append(len(checkpoint.losses))
        if len(checkpoint.losses) == self.after:
            raise KeyboardInterrupt


@dataclass(slots=True)
class InMemory:
    checkpoint: Checkpoint | None = None

    def find(self) -> Checkpoint | None:
        return self.checkpoint

    def keep(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = deepcopy(checkpoint)


def test_the_same_log_and_seed_give_the_same_weights_bit_for_bit() -> None:
    # when
    fits = []
    for seed in (1, 1, 2):
        fits.append(fit(SHORT, seed=seed))
        run(fits[-1])

    # then
    one, again, other = fits
    assert same(one, again)
    assert one.losses == again.losses
    assert not same(one, other)


def test_an_interrupted_fit_ends_with_the_weights_of_one_that_ran_through(tmp_path: Path) -> None:
    # given
    through = fit(SHORT)
    epochs = len(run(through))
    place = InFile(tmp_path / "fit.pt", {"seed": 1})

    # when: it is killed twice, each time somebody else's chance is used in between
    for killed_after in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            run(fit(SHORT), Cut(place, killed_after))
        torch.manual_seed(killed_after)
    resumed = fit(SHORT)
    said = run(resumed, place)

    # then
    assert epochs == 5
    assert said == [(4, 5), (5, 5)]
    assert resumed.losses == through.losses
    assert same(resumed, through)


def test_a_fit_that_is_done_is_not_learned_again() -> None:
    # given
    place = InMemory()
    done = fit(SHORT)
    run(done, place)

    # when
    again = fit(SHORT)

    # then
    assert run(again, place) == []
    assert same(again, done)


def test_what_is_kept_does_not_change_as_learning_goes_on(tmp_path: Path) -> None:
    # given
    place, cut = InFile(tmp_path / "fit.pt", {}), InMemory()
    with pytest.raises(KeyboardInterrupt):
        run(fit(SHORT), Cut(place, 2))

    # when
    run(fit(SHORT), Cut(cut, 99))

    # then
    early, late = place.find(), cut.find()
    assert early is not None
    assert late is not None
    assert (len(early.losses), len(late.losses)) == (2, 5)
    assert late.step > early.step


def test_it_learns_what_comes_next_on_the_shelf() -> None:
    # given
    learner = fit(CHAIN, Lessons(epochs=5, batch=256, sample=128, steps=800))

    # when
    run(learner)

    # then
    assert learner.losses[-1] < 0.3 * learner.losses[0]
    assert foretold(learner, CHAIN) > 0.95


@torch.no_grad()
def foretold(learner: Fit, world: World) -> float:
    """The share of steps whose item comes first of all but the one just touched."""
    sessions = torch.tensor(sorted(set(world.past)))  # (n, t)
    vectors = learner.model.items(torch.arange(world.items), None, None, None)
    before, targets = sessions[:, :-1], sessions[:, 1:]
    nothing = torch.zeros_like(before)
    lengths = torch.full((len(sessions),), before.shape[1])
    made = learner.model.encoder(vectors[before], nothing, nothing + 1.0, lengths)
    scores = (made @ vectors.T).scatter(2, before[:, :, None], -9.0)
    return float((scores.argmax(2) == targets).float().mean())


def test_an_item_that_nobody_touched_is_known_by_what_the_catalogue_says_of_it() -> None:
    # given: even items and odd ones never meet; each says which it is, and so do 20 and 21, which are new
    world = worlds.checkerboard(20)
    shop = World(22, world.past)
    words = Words(np.arange(22, dtype=np.int32) % 2, np.arange(23, dtype=np.int64), 2)

    # when
    learner = fit(shop, Lessons(epochs=5, batch=256, sample=128, steps=800), words=words)
    run(learner)

    # then
    with torch.no_grad():
        own = learner.model.items(torch.arange(20), torch.arange(20) % 2, torch.arange(20), None)
        new = learner.model.items(torch.tensor([20, 21]), torch.tensor([0, 1]), torch.arange(2), torch.zeros(2))
        likeness = new @ own.T
    even, odd = likeness[:, ::2].mean(1), likeness[:, 1::2].mean(1)
    assert even[0] > odd[0] + 0.3
    assert odd[1] > even[1] + 0.3


def test_targets_that_weigh_nothing_teach_nothing() -> None:
    # given
    past = SHORT.sessions
    windows = Windows.cut(past, np.zeros(len(past.items), dtype=np.float32))
    silent = Words(np.zeros(0, dtype=np.int32), np.zeros(13, dtype=np.int64), 0)
    learner = Fit(windows, silent, Shape(12, width=16, heads=2, blocks=1), QUICK, drop_last_item=False, seed=1)
    before = {name: each.clone() for name, each in weights(learner).items()}

    # when
    run(learner)

    # then
    assert all(torch.equal(each, before[name]) for name, each in weights(learner).items())
    assert set(learner.losses) == {0}


@pytest.mark.parametrize(
    ("targets", "batch", "epochs"), [(1, 256, 10), (3_200, 256, 10), (100_000, 1_000, 8), (10_000_000, 2_048, 2)]
)
def test_a_small_log_is_gone_through_more_often_in_smaller_steps(targets: int, batch: int, epochs: int) -> None:
    lessons = Lessons(epochs=2, steps=800).of(targets)
    assert (lessons.batch, lessons.epochs) == (batch, epochs)


def test_vectors_that_it_begins_with_are_where_it_learns_from() -> None:
    # given
    learner, begun = fit(SHORT), np.random.default_rng(0).normal(size=(12, 16)).astype(np.float32)

    # when
    learner.begin_with(begun)

    # then
    assert weights(learner)["items.own.weight"].numpy() == pytest.approx(begun)
