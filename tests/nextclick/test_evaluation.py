"""An evaluation as a person reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nextclick.cli import main
from nextclick.evaluation import draw
from nextclick.sample import BUNDLE
from training.evaluate import Evaluation
from training.figures import Figures, Lead, Reach, Share
from training.metrics import METRICS
from training.protocol import sentences


def figures(value: float, half: float) -> Figures:
    return Figures(dict.fromkeys(METRICS, value), dict.fromkeys(METRICS, (value - half, value + half)))


def test_a_person_reads_every_figure_with_what_it_was_measured_under(capsys: pytest.CaptureFixture[str]) -> None:
    # given
    evaluation = Evaluation(
        protocol={
            "ties": "count against the row",
            "live_counts_s": None,
            "allow_overlap": True,
            "sessions_left_out": {"consent": 3},
            "split": {"clock": False, "sessions": 4, "events": 9},
        },
        predictions=45_556,
        unseen=0.0095,
        unknown_last=0.01,
        rows={"markov": figures(0.5, 0.01), "fusion": figures(0.6, 0.02)},
        differences=[Lead("fusion", "markov", figures(0.1, 0.015))],
        pool=Reach(0.88, 199.6, {"session_knn": Share(0.7, 0.3, 0.1)}),
        by_length=[],
        by_popularity=[],
        coverage=None,
    )

    # when
    draw(evaluation, seconds=12.34, peak_bytes=2**30)

    # then
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "row hit_rate@10 hit_rate@20 hit_rate@30 mrr@20 ndcg@20",
        "markov" + " 0.5000 ±0.0100" * 5,
        "fusion" + " 0.6000 ±0.0200" * 5,
        "fusion minus hit_rate@20 mrr@20 ndcg@20",
        "markov" + " +10.00 +8.50 to +11.50" * 3,
        "pool: recall@200 0.8800, 200 items brought first alone",
        "session_knn 0.7000 0.3000 0.1000",
        "Rows are shares of 1, ± half a 95 % interval: hit_rate@20 is how often the next item is in the first",
        "20.",
        "Differences are in points of a hundred, and bold where chance alone does not explain them.",
        "45,556 predictions; the bundle does not know 0.95% of the targets and 1.00% of the last items.",
        "Ties count against the row.",
        "Whether anything measured here was trained on was not looked at: --allow-overlap asked for that.",
        "3 sessions were left out because consent was withdrawn.",
        "Measured are 9 events of 4 sessions, which have no times.",
        "12.3 s, at most 1,024 MiB of memory",
    ]


def test_of_a_placement_that_shows_few_items_it_is_told_where_its_figures_end() -> None:
    (told,) = sentences({"placements": [{"name": "basket", "limit": 8}, {"name": "home", "limit": 30}]})
    assert told.startswith("fusion@basket, fusion@home: what the placement shows;")
    assert told.endswith(" basket shows 8 items, and beyond these every figure is the same.")


def test_sessions_of_withdrawn_consent_are_counted_as_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # given: of three sessions one takes its consent back
    log = tmp_path / "log.csv"
    rows = [f"{who},85123A,1900000000000,true\n{who},22423,1900000001000,{kept}\n" for who, kept in CONSENT.items()]
    log.write_text("session_id,item_id,ts,consent\n" + "".join(rows), encoding="utf-8")
    command = ["evaluate", str(BUNDLE), str(log), "--rows", "popularity"]

    # then
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["predictions"], report["protocol"]["sessions_left_out"]) == (2, {"consent": 1})
    assert main(command) == 0
    assert "1 sessions were left out because consent was withdrawn." in capsys.readouterr().out


def test_a_placement_of_the_shops_file_has_a_row_and_its_rules_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    log, file = tmp_path / "log.csv", tmp_path / "shop.toml"
    log.write_text("session_id,item_id,ts\na,85123A,1900000000000\na,22423,1900000001000\n", encoding="utf-8")
    file.write_text('[basket]\nlimit = 8\nhide = ["seen"]\n', encoding="utf-8")
    monkeypatch.setenv("NEXTCLICK_PLACEMENTS", str(file))
    command = ["evaluate", str(BUNDLE), str(log), "--rows", "popularity"]

    # then
    assert main([*command, "--placement", "basket", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["rows"]) == ["popularity", "fusion@basket"]
    [told] = report["protocol"]["placements"]
    assert (told["name"], told["limit"], told["hide"]) == ("basket", 8, ["seen"])
    assert main([*command, "--placement", "basket"]) == 0
    assert "fusion@basket: what the placement shows" in capsys.readouterr().out
    assert main([*command, "--placement", "nowhere"]) == 64
    assert "there is no placement nowhere, only basket, default" in capsys.readouterr().err


CONSENT = {"a": "true", "b": "false", "c": "true"}
