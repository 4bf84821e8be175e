"""An evaluation as a person reads it."""

from __future__ import annotations

import pytest

from nextclick.evaluation import draw
from training.evaluate import Evaluation
from training.figures import Figures, Lead, Reach, Share
from training.metrics import METRICS


def figures(value: float, half: float) -> Figures:
    return Figures(dict.fromkeys(METRICS, value), dict.fromkeys(METRICS, (value - half, value + half)))


def test_a_person_reads_every_figure_with_what_it_was_measured_under(capsys: pytest.CaptureFixture[str]) -> None:
    # given
    evaluation = Evaluation(
        protocol={"ties": "count against the row", "live_counts_s": None, "split": {"clock": True, "events": 9}},
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
        "45,556 predictions; unknown to the bundle: 0.95% of targets, 1.00% of last items",
        "ties: count against the row",
        "split: clock yes, events 9",
        "12.3 s, at most 1,024 MiB of memory",
    ]
