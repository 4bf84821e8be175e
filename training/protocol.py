"""What a figure was measured under, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from schemas.recommendation import PUBLISHED

_SENTENCES: Final[dict[str, Callable[[Any], str]]] = {
    "bundle": lambda version: f"The bundle is {version}.",
    "task": lambda task: f"Foretold is {task}.",
    "order": lambda order: f"Events of a session stand by {order}.",
    "split": lambda split: _split(split),  # noqa: PLW0108 - it stands below
    "ties": lambda ties: f"Ties {ties}.",
    "catalogue": lambda items: f"The catalogue has {items:,} items.",
    "lists": lambda of: ", ".join(f"the {name} ranks {items}" for name, items in of.items()).capitalize() + ".",
    "counts": lambda counts: f"Counts are {counts}.",
    "drop_last_item": lambda dropped: (
        f"The item just touched can{'not' if dropped else ''} be the next one, in every row."
    ),
    "allow_overlap": lambda allowed: (
        "Whether anything measured here was trained on was not looked at: --allow-overlap asked for that."
        if allowed
        else "Nothing measured here was trained on."
    ),
    "intervals": lambda of: (
        f"Intervals hold {of['share']:.0%}: {of['method']}, {of['sessions']:,} of them, {of['resamples']:,} times."
    ),
    "sessions": lambda sessions: f"Measured on {sessions}.",
    "sessions_left_out": lambda of: f"{of['consent']:,} sessions were left out because consent was withdrawn.",
    "placements": lambda placements: _placed(placements),  # noqa: PLW0108 - it stands below
    "catalog_file": lambda of: (
        f"The catalogue file has {of['items']:,} items; the bundle does not know {of['unknown_to_bundle']:,} of them."
    ),
}
#: Said by another one already.
_SAID: Final = frozenset({"live_counts_s"})


def sentences(protocol: Mapping[str, object]) -> Iterator[str]:
    for name, what in protocol.items():
        if name in _SENTENCES:
            yield _SENTENCES[name](what)
        elif name not in _SAID:
            yield f"{name.replace('_', ' ')}: {what}"


def _placed(placements: Sequence[Mapping[str, Any]]) -> str:
    told = (
        f"{', '.join('fusion@' + each['name'] for each in placements)}: what the placement shows; that the shopper was "
        "shown an item before is in no log, and hides nothing."
    )
    short = [f" {each['name']} shows {each['limit']} items, and beyond these every figure is the same."
             for each in placements if each["limit"] < PUBLISHED]  # fmt: skip
    return told + "".join(short)


def _split(split: Mapping[str, Any]) -> str:
    told = f"Measured are {split['events']:,} events of {split['sessions']:,} sessions"
    if not split["clock"]:
        return f"{told}, which have no times."
    return f"{told}, from {split['first']} to {split['last']}; the bundle's training ended at {split['trained_until']}."
