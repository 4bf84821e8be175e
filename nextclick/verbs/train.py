"""nextclick train"""

from __future__ import annotations

import argparse
import shlex
import time
from pathlib import Path

from nextclick.verbs.declare import Verbs, json_flag, log_flags, told_of_log, verb
from schemas.settings import Settings


def declare(verbs: Verbs) -> None:
    train = verb(
        verbs,
        "train",
        "makes a bundle from an event log",
        run=run,
        example="nextclick train clicks.csv.gz --catalog items.csv.gz --out bundle",
    )
    log_flags(train)
    train.add_argument("--catalog", type=Path, metavar="FILE", help="the items, with their titles")
    train.add_argument("--out", type=Path, metavar="DIR", required=True, help="the bundle; must not exist yet")
    json_flag(train)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.terminal import say_json
    from training import log
    from training.catalogue import Catalogue
    from training.train import train

    clicks = log.read(arguments.events, columns=dict(arguments.map), fixed=dict(arguments.set))
    catalogue = Catalogue(arguments.catalog) if arguments.catalog else ()
    manifest = train(clicks, catalogue, arguments.out, round(time.time() * 1000), _command(arguments))
    told_of_log(clicks)
    data = manifest.data
    if arguments.json:
        say_json({"out": str(arguments.out), "version": manifest.version, "events": data.events, "items": data.items})
    else:
        counted = f"{data.events} events of {data.sessions} sessions, {data.items} items"
        print(f"{arguments.out}: version {manifest.version}, from {counted}")
    return 0


def _command(arguments: argparse.Namespace) -> str:
    """What makes this bundle again."""
    words = ["nextclick", "train", *map(str, arguments.events)]
    for flag, pairs in (("--map", arguments.map), ("--set", arguments.set)):
        words += [word for name, value in pairs for word in (flag, f"{name}={value}")]
    if arguments.catalog:
        words += ["--catalog", str(arguments.catalog)]
    return shlex.join([*words, "--out", str(arguments.out)])
