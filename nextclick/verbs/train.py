"""nextclick train"""

from __future__ import annotations

import argparse
import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

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
    from nextclick.terminal import say_json
    from training.catalogue import Catalogue
    from training.train import Order, Stages, train

    log = log_of(arguments)
    catalogue = Catalogue(arguments.catalog) if arguments.catalog else None
    out: Path = arguments.out.resolve()
    order = Order(
        out=out,
        command=_command(arguments),
        preset=arguments.preset,
        seed=arguments.seed,
        device=arguments.device,
        threads=os.cpu_count() or 1,
        max_minutes=arguments.max_minutes,
    )
    with Watched() as watched:
        stages = Stages(time.monotonic, watched.stage, out.parent / f".{out.name}.training")
        manifest = train(log, catalogue or (), order, round(time.time() * 1000), stages)
    told_of_log(log)
    if catalogue is not None:
        told_of_catalogue(catalogue)
    if arguments.json:
        say_json(_told(manifest, out))
    else:
        data, seconds = manifest.data, sum(manifest.seconds.values())
        counted = f"{data.events} events of {data.sessions} sessions, {data.items} items"
        print(f"{out}: version {manifest.version}, from {counted}, in {seconds:.0f} s")
    return 0


def _told(manifest: Manifest, out: Path) -> dict[str, object]:
    data = manifest.data
    return {
        "out": str(out),
        "version": manifest.version,
        "events": data.events,
        "sessions": data.sessions,
        "items": data.items,
        "parameters": manifest.parameters,
        "seconds": manifest.seconds,
        "peak_memory_bytes": manifest.peak_memory_bytes,
    }


def _command(arguments: argparse.Namespace) -> str:
    """What makes this bundle again."""
    words = ["nextclick", "train", *log_words(arguments)]
    words += ["--catalog", str(arguments.catalog)] if arguments.catalog else []
    words += ["--preset", arguments.preset, "--seed", str(arguments.seed)]
    words += ["--max-minutes", f"{arguments.max_minutes:g}"] if arguments.max_minutes else []
    return shlex.join([*words, "--out", str(arguments.out)])
