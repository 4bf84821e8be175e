"""A user's records on their way into the store, and what the store says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from schemas.facts import TYPE_CODES
from schemas.profile import Trace
from schemas.session import Outcome
from serving.state import scripts
from serving.state.pipeline import Argument


@dataclass(frozen=True, slots=True)
class Traces:
    """The records of one batch that concern one user, in the order of their partitions."""

    user_id: str
    records: Sequence[Trace]


@dataclass(frozen=True, slots=True)
class Remembered:
    """An outcome for each record, and whether there was nothing of the user before."""

    user_id: str
    outcomes: tuple[Outcome, ...]
    begun: bool


def packed(traces: Traces) -> list[Argument]:
    """As profile.lua takes them."""
    found: list[Argument] = []
    for record in traces.records:
        position, click = record.position, record.click
        kind, ts, item = (
            (scripts.ERASE_CODE, 0, "") if click is None else (TYPE_CODES[click.type], int(click.ts), click.touched[0])
        )
        found += (kind, record.record_time, ts, position.lane, position.offset, item)
    return found


def remembered(user_id: str, reply: object) -> Remembered:
    outcomes, begun = cast(list[bytes], reply)
    return Remembered(user_id, tuple(map(Outcome, outcomes.decode())), bool(begun))
