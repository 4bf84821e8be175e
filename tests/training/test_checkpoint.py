"""A checkpoint in a file: what it held comes back, and what is not of this very fit is left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from training.checkpoint import Checkpoint, InFile

ABOUT: dict[str, str | int | float] = {"log": "a" * 64, "seed": 0, "width": 16, "rate": 4e-3}


def checkpoint() -> Checkpoint:
    weight = torch.nn.Parameter(torch.ones(3, 2))
    optimizer = torch.optim.Adam([weight])
    torch.autograd.backward(weight.sum())
    optimizer.step()
    chance = np.random.default_rng(5)
    chance.random(7)
    return Checkpoint(
        model={"weight": weight.detach()},
        optimizers=[optimizer.state_dict()],
        step=17,
        losses=[2.5, 1.25],
        chance=chance.bit_generator.state,
        torch_chance=torch.get_rng_state(),
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "base.pt"


def test_what_was_kept_comes_back(place: Path) -> None:
    # given
    kept = checkpoint()

    # when
    InFile(place, ABOUT).keep(kept)
    found = InFile(place, ABOUT).find()

    # then
    assert found is not None
    assert torch.equal(found.model["weight"], kept.model["weight"])
    assert (found.step, found.losses) == (17, [2.5, 1.25])
    assert dict(found.chance) == dict(kept.chance)
    assert torch.equal(found.torch_chance, kept.torch_chance)
    moments = found.optimizers[0]["state"][0]
    assert torch.equal(moments["exp_avg"], kept.optimizers[0]["state"][0]["exp_avg"])


def test_nothing_is_left_beside_it(place: Path) -> None:
    InFile(place, ABOUT).keep(checkpoint())
    InFile(place, ABOUT).keep(checkpoint())
    assert list(place.parent.iterdir()) == [place]


@pytest.mark.parametrize(
    "other",
    [{"log": "b" * 64}, {"seed": 1}, {"width": 128}, {"rate": 1e-3}, {"words": 8}],
    ids=lambda each: next(iter(each)),
)
def test_a_checkpoint_of_another_fit_is_not_used(place: Path, other: dict[str, str | int | float]) -> None:
    InFile(place, ABOUT | other).keep(checkpoint())
    assert InFile(place, ABOUT).find() is None


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_that_was_cut_is_not_used(place: Path, share: float) -> None:
    # given
    InFile(place, ABOUT).keep(checkpoint())
    whole = place.read_bytes()

    # when
    place.write_bytes(whole[: int(share * len(whole))])

    # then
    assert InFile(place, ABOUT).find() is None


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x80\x04.", b"PK\x03\x04" + b"\0" * 100])
def test_what_is_no_checkpoint_is_not_used(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    assert InFile(place, ABOUT).find() is None


@pytest.mark.parametrize("said", [None, [1], {"about": dict(ABOUT)}, {"about": dict(ABOUT), "model": {}, "more": 1}])
def test_a_file_of_torch_that_holds_something_else_is_not_used(place: Path, said: object) -> None:
    torch.save(said, place)
    assert InFile(place, ABOUT).find() is None


def test_nothing_in_a_file_is_run(place: Path, tmp_path: Path) -> None:
    # given
    torch.save({"about": dict(ABOUT), "model": Touches(tmp_path / "run")}, place)

    # then
    assert InFile(place, ABOUT).find() is None
    assert not (tmp_path / "run").exists()


class Touches:
    """Makes a file wherever it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_there_is_none_where_there_is_no_file(place: Path) -> None:
    assert InFile(place, ABOUT).find() is None
