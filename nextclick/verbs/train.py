"""nextclick train"""

from __future__ import annotations

import argparse
import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nextclick.stops import Stopped
from nextclick.verbs.declare import (
    Verbs,
    json_flag,
    log_flags,
    log_of,
    log_words,
    path,
    positive_real,
    seed,
    told_of_catalogue,
    told_of_log,
    verb,
)
from schemas.settings import Settings

if TYPE_CHECKING:
    from schemas.bundle import Manifest

REPORT: Final = "report.html"


def declare(verbs: Verbs) -> None:
    train = verb(
        verbs,
        "train",
        "makes a bundle from an event log",
        run=run,
        example="nextclick train clicks.csv.gz --catalog items.csv.gz --out bundle",
    )
    log_flags(train)
    train.add_argument("--catalog", type=path, metavar="FILE", help="the items, with their titles")
    train.add_argument("--out", type=path, metavar="DIR", required=True, help="the bundle; must not exist yet")
    train.add_argument("--preset", choices=("fast", "full"), default="full", help="how much work to put in")
    train.add_argument("--seed", type=seed, default=0, metavar="N", help="the same log and seed give the same bundle")
    train.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where the transformer learns")
    train.add_argument(
        "--max-minutes", type=positive_real, metavar="M", help="keep only the newest sessions that fit this time"
    )
    json_flag(train)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.stages import Watched
    from nextclick.terminal import plain, say, say_json
    from training.catalogue import Catalogue
    from training.place import Place, untaken

    # Whatever can be refused at once is, before torch is loaded.
    out: Path = arguments.out.resolve()
    untaken(out)
    log = log_of(arguments)
    catalogue = Catalogue(arguments.catalog) if arguments.catalog else None

    from training.train import Order, Stages, train

    order = Order(
        command=_command(arguments),
        preset=arguments.preset,
        seed=arguments.seed,
        device=arguments.device,
        threads=os.cpu_count() or 1,
        max_minutes=arguments.max_minutes,
    )
    place = Place(out)
    try:
        with Watched() as watched:
            stages = Stages(time.monotonic, watched.stage, lambda told: say(plain(told)), place)
            manifest = train(log, catalogue or (), order, round(time.time() * 1000), stages)
    except Stopped:
        kept = (
            "goes on after the last epoch that was finished" if place.begun() else "begins anew: no epoch was finished"
        )
        say(f"stopped; the same command {kept}")
        raise
    told_of_log(log)
    if catalogue is not None:
        told_of_catalogue(catalogue)
    if arguments.json:
        say_json(_report(manifest, out))
    else:
        for line in _told(manifest, out):
            print(plain(line))
    return 0


def _told(manifest: Manifest, out: Path) -> Iterator[str]:
    data, seconds = manifest.data, sum(manifest.seconds.values())
    counted = f"{data.events:,} events of {data.sessions:,} sessions, {data.items:,} items"
    yield f"{out}: version {manifest.version}, from {counted}, in {seconds:.0f} s"
    if figures := _figures(manifest):
        hits, reciprocal = figures["hit_rate@20"], figures["mrr@20"]
        kept = f"{manifest.evaluation['predictions']:,} next items of sessions that were kept back"
        yield f"figures   {hits:.1%} stand among the first 20, mean reciprocal rank {reciprocal:.3f}; of {kept}"
    else:
        yield "figures   none: too few sessions were learned from to keep any back; `nextclick evaluate` measures"
    if why := _fallback(manifest):
        yield f"fallback  {why}: lists are ordered by fused ranks, since an order takes more sessions to learn"
    else:
        yield "fallback  none: the order of the lists is learned"
    yield f"report    {out / REPORT}"
    yield f"next      {_next(out)}"


def _report(manifest: Manifest, out: Path) -> dict[str, object]:
    data = manifest.data
    return {
        "out": str(out),
        "version": manifest.version,
        "events": data.events,
        "sessions": data.sessions,
        "items": data.items,
        "figures": _figures(manifest),
        "fallback": _fallback(manifest),
        "report": str(out / REPORT),
        "next": _next(out),
        "parameters": manifest.parameters,
        "seconds": manifest.seconds,
        "peak_memory_bytes": manifest.peak_memory_bytes,
    }


def _figures(manifest: Manifest) -> dict[str, float] | None:
    """Of the ranker on the sessions that were kept back; None where there were none."""
    found: dict[str, Any] = manifest.evaluation.get("rows", {}).get("fusion", {})
    return {name: value for name, value in found.items() if isinstance(value, float)} or None


def _fallback(manifest: Manifest) -> str | None:
    order = str(manifest.parameters["order"])
    return None if order == "learned" else order


def _next(out: Path) -> str:
    return shlex.join(["nextclick", "bundle", "activate", str(out)])


def _command(arguments: argparse.Namespace) -> str:
    """What makes this bundle again."""
    words = ["nextclick", "train", *log_words(arguments)]
    words += ["--catalog", str(arguments.catalog)] if arguments.catalog else []
    words += ["--preset", arguments.preset, "--seed", str(arguments.seed)]
    words += ["--max-minutes", f"{arguments.max_minutes:g}"] if arguments.max_minutes else []
    return shlex.join([*words, "--out", str(arguments.out)])
