"""Golden answers: another processor's rounding passes, another model does not, and a broken one never does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.bundle import Golden, GoldenAction, GoldenSession
from schemas.errors import BundleError
from schemas.recommendation import Item
from schemas.session import Action, Session
from serving.ranking import golden
from serving.ranking.golden import GoldenTensors, Tensors
from serving.ranking.ranker import NOT_FINITE, Ranked
from serving.ranking.reasons import POPULAR
from tests.worlds import NOW

ACTIONS = (Action("a", "view", NOW - 60_000), Action("b", "cart", NOW - 1_000))


class Says:
    """A ranker that gives these scores to everybody, and remembers what it was asked."""

    def __init__(self, scores: Mapping[str, float], fallback: str | None = None) -> None:
        items = (Item(item, rank, score, "popular", POPULAR) for rank, (item, score) in enumerate(scores.items(), 1))
        self.answer = Ranked(tuple(items), len(scores), fallback)
        self.asked: list[tuple[Session, int]] = []

    def rank(self, sessions: Sequence[Session], now: int) -> list[Ranked]:
        self.asked += [(session, now) for session in sessions]
        return [self.answer for _ in sessions]


def expecting(top: Sequence[str]) -> Golden:
    actions = tuple(GoldenAction(each.item_id, each.type, each.ts) for each in ACTIONS)
    return Golden(now=NOW, sessions=(GoldenSession(actions, tuple(top)),))


def test_a_ranker_agrees_with_itself_and_is_asked_what_it_was_asked_before() -> None:
    # given
    ranker = Says({"a": 0.9, "b": 0.5, "c": 0.1})

    # when
    answers = golden.answers(ranker, [ACTIONS, ACTIONS[:1]], NOW)
    golden.check(ranker, answers)

    # then
    assert ranker.asked[:2] == ranker.asked[2:]
    assert ranker.asked[0] == (Session(started=NOW - 60_000, seen=NOW, recent=ACTIONS), NOW)


@pytest.mark.parametrize(
    ("top", "agrees"),
    [
        ("abcd", True),
        ("acbd", True),
        ("bacd", False),
        ("abc", False),
        ("abcx", False),
        ("abbd", False),
        ("abdc", False),
    ],
)
def test_a_golden_answer_may_differ_in_ties_alone(top: str, agrees: bool) -> None:
    ranker = Says({"a": 0.9, "b": 0.5, "c": 0.4995, "d": 0.1})
    if agrees:
        golden.check(ranker, expecting(top))
    else:
        with pytest.raises(BundleError, match="golden session 0 must give"):
            golden.check(ranker, expecting(top))


@pytest.mark.parametrize("scores", [(-0.5, -0.9), (3.0, 0.0), (0.0, -3.0)])
def test_scores_may_have_any_sign(scores: tuple[float, float]) -> None:
    ranker = Says(dict(zip("ab", scores, strict=True)))
    golden.check(ranker, expecting("ab"))
    with pytest.raises(BundleError):
        golden.check(ranker, expecting("ba"))


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_refused(score: float) -> None:
    with pytest.raises(BundleError, match="not a finite number"):
        golden.check(Says({"a": 1, "b": score}), expecting("ab"))


def test_a_ranker_that_had_to_do_without_its_model_is_refused() -> None:
    with pytest.raises(BundleError, match="not a finite number"):
        golden.check(Says({"a": 1, "b": 0.5}, NOT_FINITE), expecting("ab"))


def test_a_constant_ranker_is_refused_and_is_not_made_into_a_bundle() -> None:
    with pytest.raises(BundleError, match="constant"):
        golden.check(Says({"a": 1, "b": 1}), expecting("ab"))
    with pytest.raises(BundleError, match="constant"):
        golden.answers(Says({"a": 1, "b": 1}), [ACTIONS], NOW)


def test_a_shop_of_one_item_is_not_taken_for_a_constant_model() -> None:
    golden.check(Says({"a": 1}), expecting("a"))


RNG = np.random.default_rng(7)
INPUTS: dict[str, Tensors] = {
    "encode": {"items": RNG.normal(size=(16, 5, 4)).astype(np.float32)},
    "score": {"session": RNG.normal(size=(16, 4)).astype(np.float32), "pool": RNG.normal(size=(16, 9, 4))},
}
Answer = Callable[[NDArray[Any]], NDArray[Any]]


def model(change: Answer = lambda values: values) -> golden.Model:
    """The mean of a session's items, and its likeness to each of the pool; `change` is what is wrong with it."""

    def answer(entry: str, inputs: Tensors) -> Tensors:
        if entry == "encode":
            return {"session": inputs["items"].mean(axis=1)}
        return {"scores": change(np.einsum("sd,spd->sp", inputs["session"], inputs["pool"]))}

    return answer


def test_golden_tensors_go_through_arrays_and_are_met_again() -> None:
    # given
    made = GoldenTensors.of(model(), INPUTS)

    # when
    read = GoldenTensors.read(made.arrays())

    # then
    assert set(made.arrays()) == {
        "encode.in.items", "encode.out.session", "score.in.session", "score.in.pool", "score.out.scores",
    }  # fmt: skip
    read.check(model())


def test_another_processors_rounding_passes() -> None:
    noise = np.random.default_rng(1).normal(size=(16, 9)) * 1e-5
    GoldenTensors.of(model(), INPUTS).check(model(lambda values: values + noise))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda values: values * 1.01, "off its golden answer"),
        (lambda values: values * np.nan, "off its golden answer"),
        (lambda values: values * 0, "off its golden answer"),
        (lambda values: np.where(values == values.max(), np.inf, values), "off its golden answer"),
        (lambda values: values[:, :-1], "shape"),
        (lambda values: values[:, :1], "shape"),
        (lambda values: values[None], "shape"),
    ],
    ids=["other", "nan", "constant", "infinite", "narrow", "broadcast", "deep"],
)
def test_another_model_is_refused(change: Answer, says: str) -> None:
    with pytest.raises(BundleError, match=says):
        GoldenTensors.of(model(), INPUTS).check(model(change))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda values: values * np.nan, "not a finite number"),
        (lambda values: values * 0 + 1, "constant"),
        (lambda values: np.broadcast_to(values[:1], values.shape), "the same for every session"),
        (lambda values: np.broadcast_to(values[:, :1], values.shape), "one value for each session"),
    ],
    ids=["nan", "constant", "deaf", "blind"],
)
def test_a_broken_model_is_refused_by_its_own_golden_answer(change: Answer, says: str) -> None:
    # given: tensors that were made without looking
    broken = model(change)
    unseen = GoldenTensors(INPUTS, {entry: broken(entry, given) for entry, given in INPUTS.items()})

    # then
    with pytest.raises(BundleError, match=says):
        unseen.check(broken)
    with pytest.raises(BundleError, match=says):
        GoldenTensors.of(broken, INPUTS)


@pytest.mark.parametrize(
    "label", ["encode", "encode.in", "encode.at.items", "score.out.scores", "encode.in.", "x.in.y"]
)
def test_arrays_that_are_no_golden_tensors_are_refused(label: str) -> None:
    with pytest.raises(ValueError, match="`|inputs are of"):
        GoldenTensors.read({label: np.zeros(3)})


def test_a_model_with_another_output_is_refused() -> None:
    with pytest.raises(BundleError, match="must give"):
        GoldenTensors.of(model(), INPUTS).check(lambda entry, inputs: {"else": np.zeros(16)})
