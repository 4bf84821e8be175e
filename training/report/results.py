"""What was measured: the table with its intervals, the pool, where the ranker is good and where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from schemas.markup import Markup, element, joined
from training.contest import FUSION, POOL_ROWS
from training.coverage import Coverage
from training.evaluate import Evaluation
from training.figures import Band, Figures, Lead, Reach
from training.metrics import METRICS
from training.protocol import sentences
from training.report import charts
from training.report.table import Section, beside, chart, folded, section, table
from training.report.wording import (
    SURE,
    between,
    count,
    figure,
    percent,
    plural,
    points,
    points_between,
)

HIT_RATE: Final = "hit_rate@20"
RECIPROCAL: Final = "mrr@20"
_LEADS: Final = (HIT_RATE, RECIPROCAL, "ndcg@20")
WITHOUT: Final = "fusion_no_transformer"
#: From fewer sessions than these an interval is wide, and itself not certain.
_FEW: Final = 200
_MEANT: Final[Mapping[str, str]] = {
    "popularity": "touched most, of all time",
    "popularity_recent": "touched most, half-life one day",
    "markov": "what came next after the last item",
    "item_cf": "cosine of the last item's sessions",
    "covisitation": "what is touched together",
    "item2vec": "likeness of items in sessions",
    "session_knn": "what similar sessions went on to, tuned",
    "vmis_knn": "the same, as published",
    "transformer": "all items, by likeness to the session vector",
    "transformer_pool": "the pool, by the same",
    WITHOUT: "the ranker without its transformer",
    FUSION: "the ranker, as production runs it",
}


def nothing(left_out: int) -> str:
    """Why nothing was measured: the log, or the time that `left_out` so many of its sessions."""
    why = "the log is too small"
    if left_out:
        why = f"--max-minutes left out {plural(left_out, 'session')}, and what it kept is too little"
    advice = "Measure this bundle on later sessions with nextclick evaluate."
    return f"Nothing was measured: {why} to keep sessions back for it. {advice}"


def best_other(evaluation: Evaluation) -> str | None:
    """Of what is not the ranker or a part of it, the row that hits most."""
    others = [row for row in evaluation.rows if row not in POOL_ROWS]
    return max(others, key=lambda row: evaluation.rows[row].values[HIT_RATE], default=None)


def lead(evaluation: Evaluation, over: str | None) -> Lead | None:
    return next((each for each in evaluation.differences if each.minus == over), None)


def caveats(evaluation: Evaluation) -> Iterator[str]:
    """What a reader of the figures must know."""
    sessions = sessions_measured(evaluation)
    if sessions < _FEW:
        yield f"These figures come from {count(sessions)} sessions: too few to tell small differences."
    yield "They say nothing of another shop, nor of whether more is bought: that takes a test on live shoppers."


def sessions_measured(evaluation: Evaluation) -> int:
    intervals = evaluation.protocol["intervals"]
    return int(intervals["sessions"]) if isinstance(intervals, dict) else 0


def in_short(evaluation: Evaluation | None, left_out: int) -> Section:
    if evaluation is None:
        return section("short", "In short", element("p", nothing(left_out)))
    tiles = [*_figures(evaluation), *_leads(evaluation)]
    if evaluation.pool is not None:
        told = "of the next items are among the 200 that are ranked: the most that any order of them could hit"
        tiles.append(_tile("Recall of the pool", percent(evaluation.pool.recall), told))
    words = (element("p", caveat, class_="soft") for caveat in caveats(evaluation))
    return section("short", "In short", element("div", *tiles, class_="tiles"), *words)


def _figures(evaluation: Evaluation) -> Iterator[Markup]:
    if FUSION not in evaluation.rows:
        return
    found = evaluation.rows[FUSION]
    low, high = (percent(end) for end in found.intervals[HIT_RATE])
    asked = f"of {count(evaluation.predictions)} next items are among the first 20 of the list; {SURE}: {low} to {high}"
    yield _tile("Hit rate at 20", percent(found.values[HIT_RATE]), asked)
    told = f"the mean of 1 / rank, 0 beyond 20; {SURE}: {between(found.intervals[RECIPROCAL])}"
    yield _tile("Mean reciprocal rank", figure(found.values[RECIPROCAL]), told)


def _leads(evaluation: Evaluation) -> Iterator[Markup]:
    best = best_other(evaluation)
    for title, row in ((f"Ahead of {best}", best), ("The transformer adds", WITHOUT)):
        if (found := lead(evaluation, row)) is not None:
            ends = found.figures.intervals[HIT_RATE]
            doubt = "; not told apart from 0" if ends[0] <= 0 <= ends[1] else ""
            told = f"points of hit rate at 20; {SURE}: {points_between(ends)}{doubt}"
            yield _tile(title, points(found.figures.values[HIT_RATE]), told)


def _tile(title: str, value: str, told: str) -> Markup:
    return element("div", element("span", title), element("b", value), element("small", told), class_="tile")


def results(evaluation: Evaluation | None, left_out: int) -> list[Section]:
    """A section each; one that says why where nothing was measured."""
    if evaluation is None:
        return [section("results", "Results", element("p", nothing(left_out)))]
    parts = [_rows(evaluation)]
    if evaluation.pool is not None:
        parts.append(_pool(evaluation.pool, evaluation.predictions))
    parts.append(_bands(evaluation))
    if evaluation.coverage is not None:
        parts.append(_coverage(evaluation.coverage, evaluation.predictions))
    return parts


def _rows(evaluation: Evaluation) -> Section:
    rows = evaluation.rows
    listed = ([_meant(row), *(_with_interval(found, metric) for metric in METRICS)] for row, found in rows.items())
    drawn = [
        chart(
            title,
            "With 95 % intervals.",
            charts.whiskers(f"{title} of every row, as in the table", _ends(rows, metric), FUSION, zero=False),
        )
        for title, metric in (("Hit rate at 20", HIT_RATE), ("Mean reciprocal rank at 20", RECIPROCAL))
    ]
    unknown = (
        f"{count(evaluation.predictions)} predictions; the bundle does not know {percent(evaluation.unseen)} of the "
        f"targets, which every row misses, and {percent(evaluation.unknown_last)} of the items just touched."
    )
    return section(
        "results",
        "Results",
        element("p", unknown),
        beside(*drawn),
        table(
            "Every row, and the 95 % interval of each figure",
            ["row", *METRICS],
            listed,
            _meant(FUSION),
        ),
        _differences(evaluation.differences),
        folded("Under which protocol", joined(*(element("p", each) for each in sentences(evaluation.protocol)))),
    )


def _ends(rows: Mapping[str, Figures], metric: str) -> dict[str, tuple[float, float, float]]:
    return {
        row: (found.intervals[metric][0], found.values[metric], found.intervals[metric][1])
        for row, found in rows.items()
    }


def _meant(row: str) -> Markup:
    return joined(row, element("small", _MEANT[row])) if row in _MEANT else joined(row)


def _with_interval(found: Figures, metric: str) -> Markup:
    return joined(figure(found.values[metric]), element("small", between(found.intervals[metric])))


def _differences(leads: Sequence[Lead]) -> Markup:
    if not leads:
        return Markup()
    rows = ([each.minus, *(_difference(each.figures, metric) for metric in _LEADS)] for each in leads)
    caption = "In points of a hundred, from the same resamples of both; bold where the 95 % interval does not hold 0"
    return joined(
        element("h3", f"{leads[0].row} minus each other row"),
        table(caption, ["minus", *_LEADS], rows),
    )


def _difference(found: Figures, metric: str) -> Markup:
    ends, value = found.intervals[metric], points(found.values[metric])
    told = value if ends[0] <= 0 <= ends[1] else element("b", value)
    return joined(told, element("small", points_between(ends)))


def _pool(pool: Reach, predictions: int) -> Section:
    series = {
        "brought": [share.brought for share in pool.sources.values()],
        "first in order": [share.first for share in pool.sources.values()],
        "alone": [share.alone for share in pool.sources.values()],
    }
    rows = (
        [source, percent(share.brought), percent(share.first), percent(share.alone)]
        for source, share in pool.sources.items()
    )
    words = (
        f"The ranker orders a pool of at most 200 candidates, {pool.mean_size:.0f} in the mean. "
        f"{percent(pool.recall)} of the next items are in it."
    )
    drawn = chart(
        "Recall by source",
        "Of all predictions, those whose next item a source brought: at all, first in the order of sources, "
        "and as the only one.",
        charts.legend(series),
        charts.bars("Recall by source, as in the table", list(pool.sources), series, most=1.0),
    )
    listed = table(f"Shares of {count(predictions)} predictions", ["source", *series], rows)
    return section("pool", "The pool", element("p", words), beside(drawn, listed))


def _bands(evaluation: Evaluation) -> Section:
    best = best_other(evaluation)
    shown = list(dict.fromkeys(row for row in (FUSION, WITHOUT, best, "transformer") if row in evaluation.rows))
    return section(
        "bands",
        "Where it is good, and where not",
        beside(
            _banded(
                evaluation.by_length,
                shown,
                "By session length",
                "Events before the one that is foretold, and below how many predictions that is.",
            ),
            _banded(
                evaluation.by_popularity,
                shown,
                "By item popularity",
                "Events of the next item in training, and below how many predictions that is.",
            ),
        ),
    )


def _banded(bands: Sequence[Band], shown: Sequence[str], title: str, what: str) -> Markup:
    held = [band for band in bands if band.predictions]
    series = {row: [band.rows[row][HIT_RATE] for band in held] for row in shown}
    names = [band.name for band in held]
    every = list(held[0].rows) if held else []
    rows = [[row, *(figure(band.rows[row][HIT_RATE]) for band in held)] for row in every]
    counts = [count(band.predictions) for band in held]
    drawn = chart(
        title,
        what,
        charts.legend(series),
        charts.lines(f"Hit rate at 20 {title.lower()}", series, names, "hit rate at 20", zero=True, counts=counts),
    )
    listed = table(f"Hit rate at 20 {title.lower()}", ["row", *names], [["predictions", *counts], *rows], FUSION)
    return joined(element("div", drawn, folded("All rows in numbers", listed)))


def _coverage(found: Coverage, predictions: int) -> Section:
    spreads = {"lists": found.lists, "next items": found.targets, "training": found.training}
    groups = list(found.training.groups)
    series = {name: [each.groups.get(group, 0.0) for group in groups] for name, each in spreads.items()}
    rows = (
        [
            name,
            percent(each.reached),
            f"{each.gini:.3f}",
            *(percent(each.groups.get(group, 0.0)) for group in groups),
        ]
        for name, each in spreads.items()
    )
    words = (
        f"{count(predictions)} lists of {found.of} show {percent(found.lists.reached)} of the catalogue. Where their "
        "share of the most touched items is far above that of the items that shoppers chose next, the ranker leads "
        "all to the same few."
    )
    drawn = chart(
        "Who gets the places",
        "Items in groups, from the most touched in training to the least.",
        charts.legend(spreads),
        charts.bars("Share of each group of items, as in the table", groups, series),
    )
    heads = ["", "of the catalogue", "Gini", *groups]
    listed = table("Shares; the Gini coefficient is 0 where all items have the same", heads, rows)
    return section("coverage", "Coverage and popularity bias", element("p", words), drawn, listed)
