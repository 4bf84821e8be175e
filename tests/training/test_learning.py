"""Learning: in the order that keeps its figures honest, and as much of it as the log is worth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from serving.ranking.past import Past
from serving.ranking.sessions import DEEDS, Sessions
from tests import worlds
from training import learning
from training.checkpoint import Keeper, Nowhere
from training.learning import Learned, Learner, Told
from training.plan import PLANS
from training.windows import Windows

pytestmark = pytest.mark.usefixtures("small", "exported")

CHAIN = worlds.chain()


@dataclass(slots=True)
class Around:
    """Notes what is learned, in which order and of what."""

    stages: list[str] = field(default_factory=list)
    fits: dict[str, dict[str, str | int | float]] = field(default_factory=dict)

    def stage(self, name: str) -> Told:
        self.stages.append(name)
        return lambda done, of: None

    def keeper(self, stage: str, about: dict[str, str | int | float]) -> Keeper:
        self.fits[stage] = about
        return Nowhere()


def learned(past: Past, around: Around | None = None) -> Learned:
    return Learner(past, PLANS["full"], 0, "cpu", 1, around or Around()).learn()


def test_a_log_that_is_large_enough_is_rehearsed_before_it_is_learned_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setattr(learning, "LEAST", 400)
    cut: list[Sessions] = []
    windows = Windows.cut

    def watched(sessions: Sessions, weights: NDArray[np.float32]) -> Windows:
        cut.append(sessions)
        return windows(sessions, weights)

    monkeypatch.setattr(Windows, "cut", watched)

    # when
    around = Around()
    found = learned(CHAIN.log, around)

    # then: what is rehearsed has seen nothing of the period it is rehearsed on
    assert around.stages == ["base", "rehearsal", "refit", "export"]
    assert [len(sessions) for sessions in cut] == [len(found.split.base), 800]
    assert found.base is not None
    assert found.base.counts.until == found.split.base.times.max() < found.split.period.times.min()
    assert found.ranker.counts.until == CHAIN.sessions.times.max()
    assert 400 <= found.split.predictions <= 600
    # And what is served is not what was rehearsed.
    assert orders(found) == ("learned", "learned")
    assert found.ranker.model
    assert found.base is not None
    assert found.base.model is not None
    assert not np.array_equal(found.ranker.model.vectors, found.base.model.vectors)
    assert all((found.curves.base, found.curves.refit, found.curves.correction, found.curves.blind))


def orders(found: Learned) -> tuple[str, str]:
    assert found.base is not None
    return found.ranker.options.order, found.base.options.order


def test_a_log_too_small_to_rehearse_is_learned_at_once_and_ordered_by_ranks() -> None:
    # when
    around = Around()
    found = learned(CHAIN.log, around)

    # then: 800 sessions leave 640 predictions in their last fifth
    assert around.stages == ["refit"]
    assert found.ranker.options.order == "reciprocal_rank"
    assert found.network is not None
    assert found.ranker.model is not None
    assert found.base is None


def test_a_period_of_which_nothing_is_asked_is_no_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    # given: everybody looks once, and then buys
    monkeypatch.setattr(learning, "LEAST", 1)
    log = worlds.checkerboard().sessions
    types = np.full(len(log.items), DEEDS.index("purchase"), dtype=np.uint8)
    types[log.starts[:-1]] = DEEDS.index("view")
    bought = Sessions(log.items, types, log.times, log.starts, log.catalogue)

    # when
    found = learned(Past(bought, worlds.checkerboard().table))

    # then
    assert found.split.predictions == 0
    assert found.ranker.options.order == "reciprocal_rank"


def test_what_a_fit_is_of_is_said_in_full() -> None:
    # when
    around = Around()
    learned(CHAIN.log, around)

    # then
    assert around.fits["refit"].keys() >= {
        "stage",
        "seed",
        "windows",
        "items",
        "words",
        "width",
        "epochs",
        "batch",
        "rate",
    }


@pytest.mark.parametrize(("again", "dropped"), [(0, True), (4, True), (5, False), (100, False)])
def test_the_item_just_touched_is_dropped_where_hardly_anybody_returns_to_it(again: int, dropped: bool) -> None:
    # given: of a thousand steps, so many lead to the same item again
    past = [(0, 0)] * again + [(0, 1)] * (1000 - again)
    assert learning._options(Sessions.listed(past, 2)).drop_last_item == dropped


@pytest.mark.parametrize(("bought", "relation"), [(0, "viewed"), (2, "viewed"), (3, "bought")])
def test_what_stood_together_was_bought_together_where_most_is_bought(bought: int, relation: str) -> None:
    made = Sessions.listed([[0, 1, 2, 3]], 4)
    types = np.array([DEEDS.index("purchase")] * bought + [0] * (4 - bought), dtype=np.uint8)
    assert learning._options(Sessions(made.items, types, made.times, made.starts, 4)).relation == relation


def test_the_newest_sessions_weigh_most_and_what_is_not_asked_for_nothing() -> None:
    # given
    made = Sessions.listed([[0, 1, 2]] * 100, 3)
    types = np.tile(np.array([0, 0, DEEDS.index("cart")], dtype=np.uint8), 100)

    # when
    weights = learning._weights(Sessions(made.items, types, made.times, made.starts, 3)).reshape(100, 3)

    # then
    assert not weights[:, 2].any()
    assert (np.diff(weights[:, 0]) > 0).all()
    assert weights[49, 0] == pytest.approx(0.5 * weights[99, 0], rel=0.02)
