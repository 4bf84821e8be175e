"""`nextclick bench`: what it tells, of a bundle that is there and of one made up. Never how long anything took."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

import pytest

import training
from nextclick.bench import rank, shop
from nextclick.cli import main
from serving.ranking.bundle import Bundle
from serving.ranking.ranker import Ranked
from serving.ranking.sources import ALL, covisitation, item2vec, transformer
from serving.state import bundles
from tests import worlds
from tests.kit.bundles import publish
from tests.worlds import NOW, session

STAGES = ["lookup", *(kind.name for kind in ALL), "pool", "features"]


@pytest.fixture(autouse=True)
def in_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank, "TURNS", 1)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    publish(tmp_path / "bundle", worlds.chain())
    return tmp_path / "bundle"


def test_the_cost_of_a_bundle_is_told_with_its_conditions(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # when
    code = main(["bench", "rank", str(directory), "--length", "3", "--json"])

    # then
    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (told["conditions"]["threads"], told["conditions"]["length"], told["conditions"]["batch"]) == (1, 3, 32)
    assert {"cpu", "cores", "python", "numba", "onnxruntime"} <= told["conditions"].keys()
    assert told["ratios"] is None
    [report] = told["bundles"]
    assert report["items"] == 40
    assert list(report["stages_us"]) == [*STAGES, "order and reasons"]
    for costs in report["sessions"].values():
        for cost in (costs["alone"], costs["batch"]):
            assert 0 < cost["p50_ms"] <= cost["p99_ms"]
            assert cost["sessions_per_s"] == pytest.approx(1000 / cost["p50_ms"], rel=0.01)


def test_people_are_told_the_same(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "rank", str(directory), "--length", "3"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "one thread, sessions of 3 events" in said[0]
    assert said[1] == "40 items"
    assert [line.split()[0] for line in said[2:]] == ["logged", "tail", "lookup"]


def test_a_larger_bundle_is_held_against_a_smaller_one() -> None:
    def report(alone: float, batch: float) -> dict[str, object]:
        return {"sessions": {"tail": {"alone": {"p50_ms": alone}, "batch": {"p50_ms": batch}}}}

    assert rank.ratios(report(0.4, 0.2), report(0.5, 0.3)) == {"tail": {"alone": 1.25, "batch": 1.5}}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--length", "40"], "shorter --length"), (["--items", "50"], "give one of them")],
    ids=["length", "items"],
)
def test_what_cannot_be_measured_is_refused(
    directory: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "rank", str(directory), *arguments]) == 64
    assert said in capsys.readouterr().err


def test_without_torch_no_bundle_is_made_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given: a fresh import of what needs it fails, wherever it has been imported before
    monkeypatch.delattr(training, "export", raising=False)
    monkeypatch.setitem(sys.modules, "training.export", None)

    # then
    assert main(["bench", "rank", "--items", "50"]) == 64
    *_, last = capsys.readouterr().err.splitlines()
    assert "name a BUNDLE, or install it: `pip install '.[train]'`" in last


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """As the verb makes it, graphs and all."""
    place = tmp_path_factory.mktemp("bench") / "made"
    shop.publish(place, 300)
    return bundles.verify(place)[1]


def test_in_a_bundle_that_is_made_up_every_item_has_full_lists(made_up: Bundle) -> None:
    # given
    ranker = made_up.ranker
    sessions = [session([ranker.table.id(item)]) for item in range(300)]
    asked = [ranker.query(each.recent, NOW) for each in sessions]

    # then
    for module in (covisitation, item2vec, transformer):
        source = ranker.sources[module.__name__.rpartition(".")[2]]
        assert {len(source.candidates(query, 200).ids) for query in asked} == {module.NEIGHBOURS}
    for answer in ranker.rank(sessions, NOW):
        assert (answer.fallback, answer.pool_size, len(answer.items)) == (None, 200, 60)
    course = rank.Course.of(made_up, length=10, hidden=0.1)
    course.turn()
    assert list(course.report()["stages_us"]) == [*STAGES, "encode", "score", "order and reasons"]


def test_a_model_ranks_sessions_together_as_it_ranks_each_alone(made_up: Bundle) -> None:
    # given sessions of all lengths, of known items and others
    ranker, chance = made_up.ranker, Random(1)
    ids = [*ranker.table.named(range(300)), *(f"nobody-{number}" for number in range(30))]
    sessions = [
        session(chance.choices(ids, k=length)) for length in (0, 1, 2, 3, 9, 10, 16, 31, 50, 60) for _ in range(5)
    ]
    sessions.append(session(["nobody-1"]))
    chance.shuffle(sessions)

    # when
    together = ranker.rank(sessions, NOW)

    # then
    for one, answer in zip(sessions, together, strict=True):
        [alone] = ranker.rank([one], NOW)
        assert (answer.fallback, answer.pool_size) == (alone.fallback, alone.pool_size)
        assert [item.score for item in answer.items] == pytest.approx([item.score for item in alone.items], abs=1e-5)
        assert _scores(answer) == pytest.approx(_scores(alone), abs=1e-5)


def _scores(answer: Ranked) -> dict[str, float]:
    """Those that no tie at the end of the list decides on."""
    return {item.item_id: item.score for item in answer.items if item.score > answer.items[-1].score + 1e-4}
