"""nextclick validate"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nextclick.verbs.declare import Verbs, json_flag, log_flags, log_of, path, verb
from schemas.errors import DataError
from schemas.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from training.audit import Audit


def declare(verbs: Verbs) -> None:
    validate = verb(
        verbs,
        "validate",
        "checks an event log before anything is trained: counts, faults, and what would be left out or refused",
        run=run,
        example="nextclick validate clicks.csv.gz --catalog items.csv.gz\n"
        "nextclick validate sales.csv --map item_id=StockCode --set type=purchase --json",
    )
    log_flags(validate)
    validate.add_argument("--catalog", type=path, metavar="FILE", help="the items: what the log has and it has not")
    json_flag(validate)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.stages import Watched
    from nextclick.terminal import say_json
    from training.audit import audit
    from training.catalogue import Catalogue

    log = log_of(arguments)
    catalogue = Catalogue(arguments.catalog) if arguments.catalog else None
    known = None if catalogue is None else {item.item_id for item in catalogue}
    with Watched() as watched:
        watched.stage("read")
        found = audit(log, known)
    faults = {} if catalogue is None else dict(catalogue.faults.most_common())
    if arguments.json:
        items = None if known is None else {"items": len(known), "faults": faults}
        say_json({**found.report(), "catalogue": items})
    else:
        for name, told in _told(found, None if known is None else len(known), faults):
            print(f"{name:18} {told}")
    if found.refused:
        raise DataError("untrainable", found.refused)
    return 0


def _told(found: Audit, catalogue: int | None, faults: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    lengths = found.lengths
    yield "rows", f"{found.rows:,}"
    yield "events", _listed(found.events)
    yield "at fault", _listed(found.faults)
    for field, example in found.examples.items():
        yield f"  {field}", f"first in {example}"
    for file, clock in found.clocks.items():
        yield "times", f"{clock} ({file})"
    yield "span", f"{_day(found.first_ts)} to {_day(found.last_ts)}"
    yield "sessions", f"{found.sessions:,}; {lengths.single_share:.1%} of one event"
    yield "session length", _listed(lengths.quantiles)
    yield "items", f"{found.items:,}"
    if found.unknown is not None and catalogue is not None:
        yield "not in catalogue", f"{found.unknown.items:,} items, {found.unknown.events:,} events"
        yield "catalogue", f"{catalogue:,} items; at fault: {_listed(faults)}"
    duplicates = found.duplicates
    yield "duplicates", f"{duplicates['event_id']:,} by event_id, {duplicates['row']:,} by session, item, type and ts"
    yield "out of order", f"{found.disorder:,} rows"
    trained = found.trained
    yield (
        "training takes",
        f"{trained['events']:,} events of {trained['sessions']:,} sessions, {trained['items']:,} items",
    )
    for sentence in found.left_out:
        yield "left out", sentence


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _day(ts: int) -> str:
    try:
        return datetime.fromtimestamp(ts / 1000, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return f"{ts} ms"
