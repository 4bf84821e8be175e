"""nextclick evaluate"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nextclick.verbs.declare import Verbs, json_flag, log_flags, log_of, path, positive, told_of_log, verb
from schemas.errors import UsageError
from schemas.settings import Settings

if TYPE_CHECKING:
    from schemas.placement import Placement
    from serving.ranking.table import Table

#: Below this share of known events the figures say more of the wrong bundle than of a good or bad one.
_KNOWN_MIN: Final = 0.5


def declare(verbs: Verbs) -> None:
    evaluate = verb(
        verbs,
        "evaluate",
        "ranks every next item of sessions that a bundle was not trained on, against each source by itself",
        run=run,
        example="nextclick evaluate bundle clicks.csv.gz --since 2014-09-29T03:00:00Z\n"
        "nextclick evaluate bundle tuesday.parquet --live-counts 3600 --json",
    )
    evaluate.add_argument("bundle", type=path, metavar="BUNDLE", help="what training made")
    log_flags(evaluate)
    evaluate.add_argument("--catalog", type=path, metavar="FILE", help="the items: how many the bundle lacks is said")
    evaluate.add_argument(
        "--live-counts", type=positive, metavar="SECONDS", help="count anew every so many seconds of the log"
    )
    evaluate.add_argument("--rows", type=_names, metavar="NAME,...", help="these rows of the table only")
    evaluate.add_argument(
        "--placement",
        action="append",
        default=[],
        metavar="NAME",
        help="a row more for each: what this placement, in the file that the setting `placements` names, shows",
    )
    evaluate.add_argument(
        "--allow-overlap", action="store_true", help="measure even what was trained on; the protocol says so"
    )
    json_flag(evaluate)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    from msgspec import to_builtins

    from nextclick.evaluation import draw
    from nextclick.progress import bar
    from nextclick.terminal import say, say_json
    from serving.state import bundles
    from training import memory, past
    from training.evaluate import Switches, Trained, evaluate
    from training.field import ROWS, Field
    from training.judging import Judging
    from training.predictions import known_share, told_by

    start_s = time.monotonic()
    placements = _placed(arguments.placement, settings)
    clicks = log_of(arguments)
    manifest, found = bundles.verify(arguments.bundle)
    ranker = found.ranker if clicks.clocked else found.ranker.undated()
    field = Field(Judging(ranker, found.blind), found.snapshot, arguments.rows or ROWS, placements=placements)
    gathered = past.gather(clicks, {}, bots=True)
    test = told_by(ranker.table, gathered.past)
    told_of_log(clicks)
    if (share := known_share(test)) < _KNOWN_MIN:
        say(f"the bundle knows the items of only {share:.0%} of the events: it may be another shop's, or too old")
    trained = Trained(
        manifest.version, found.snapshot, manifest.data.last_ts, tuple(ranker.sources), ranker.options.drop_last_item
    )
    switches = Switches(arguments.live_counts, arguments.allow_overlap)
    with bar("evaluate", "predictions") as show:
        evaluation = evaluate(test, trained, field, switches, os.cpu_count() or 1, show)
    left_out = {"consent": gathered.left_out["consent"]}
    evaluation = replace(evaluation, protocol=evaluation.protocol | {"sessions_left_out": left_out})
    if placements:
        rules = {"placements": [to_builtins(each, order="sorted") for each in placements]}
        evaluation = replace(evaluation, protocol=evaluation.protocol | rules)
    if arguments.catalog:
        lacks = {"catalog_file": _lacking(arguments.catalog, ranker.table)}
        evaluation = replace(evaluation, protocol=evaluation.protocol | lacks)
    seconds, peak_bytes = round(time.monotonic() - start_s, 3), memory.peak_bytes()
    if arguments.json:
        say_json({**evaluation.report(), "seconds": seconds, "peak_memory_bytes": peak_bytes})
    else:
        draw(evaluation, seconds, peak_bytes)
    return 0


def _lacking(catalogue: Path, table: Table) -> dict[str, int]:
    from training.catalogue import Catalogue

    found = table.find([item.item_id for item in Catalogue(catalogue)])
    return {"items": len(found), "unknown_to_bundle": int((found < 0).sum())}


def _placed(names: Sequence[str], settings: Settings) -> list[Placement]:
    from serving.http.placements import load

    known = load(settings.placements) if names else {}
    if unknown := [name for name in names if name not in known]:
        where = settings.placements or "set NEXTCLICK_PLACEMENTS to the shop's file"
        raise UsageError(f"there is no placement {', '.join(unknown)}, only {', '.join(known)} ({where})")
    return [known[name] for name in dict.fromkeys(names)]


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",")))
