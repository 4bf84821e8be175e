"""nextclick catalog load"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nextclick.verbs.declare import Verbs, json_flag, pair, verb
from schemas.errors import DataError
from schemas.settings import Settings

if TYPE_CHECKING:
    from nextclick.catalog import Loaded


def declare(verbs: Verbs) -> None:
    example = "nextclick catalog load items.csv.gz"
    catalog = verb(verbs, "catalog", "the shop's items, as the workers know them", run=None, example=example)
    below: Verbs = catalog.add_subparsers(title="verbs", metavar="VERB", dest="catalog_verb", required=True)
    load = verb(
        below,
        "load",
        "fills the catalog topic from a file by difference: what it says already is not sent again",
        run=run,
        example=f"{example}\nnextclick catalog load feed.ndjson --map item_id=sku --delete-missing --json",
    )
    flag = load.add_argument
    flag("file", type=Path, metavar="FILE", help="items: NDJSON, CSV, TSV or Parquet, or .gz/.xz/.zst")
    flag(
        "--map", action="append", default=[], type=pair, metavar="FIELD=COLUMN", help="read a field from another column"
    )
    flag("--delete-missing", action="store_true", help="delete the items that the file does not have")
    flag(
        "--force",
        action="store_true",
        help="with --delete-missing: also more than half of the items, or when some rows cannot be read",
    )
    json_flag(load)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    import asyncio
    from dataclasses import asdict

    from nextclick.catalog import Deletion, load
    from nextclick.stages import Watched
    from nextclick.terminal import say_json
    from nextclick.waiting import await_services
    from schemas.topics import Topics
    from training.catalogue import Catalogue

    # Of an item whose availability cannot be read it is better to go on with what was said before.
    file = Catalogue(arguments.file, dict(arguments.map), vital=["available"])
    wanted = [Topics.named(settings.topic_prefix).catalog]
    await_services(settings, settings.start_wait_s, wanted=wanted, redis=False)
    deletion = Deletion(arguments.delete_missing, arguments.force)
    with Watched() as watched:
        loaded = asyncio.run(load(settings, file, deletion, watched.stage))
    if arguments.json:
        say_json(asdict(loaded))
    else:
        for name, told in _told(loaded):
            print(f"{name:10} {told}")
    if loaded.doubt is not None:
        raise DataError("incomplete", f"{loaded.doubt}; nothing was deleted. Mend the file, or say --force")
    return 0


def _told(loaded: Loaded) -> Iterator[tuple[str, str]]:
    yield "new", f"{loaded.new:,}"
    yield "changed", f"{loaded.changed:,}"
    yield "unchanged", f"{loaded.unchanged:,}"
    yield "deleted", f"{loaded.deleted:,}"
    if loaded.missing:
        yield "missing", f"{loaded.missing:,} items are not in the file, and stay; --delete-missing deletes them"
    yield "refused", _listed(loaded.refused)
    if loaded.left_out:
        yield "left out", f"fields that cannot be read: {_listed(loaded.left_out)}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"
