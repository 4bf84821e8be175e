"""Random histories of sessions, with everything in them that a topic may deliver.

Sent twice, delivered twice, late, early, erased, without consent, silent for hours, from two partitions,
in every script that people write in. One seed gives one history.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from schemas.click import Click, Erase, EventType
from schemas.session import AGE_MS, FUTURE_MS, IDLE_MS, LATE_MS, Position, Record
from schemas.wire import EpochMs

START_MS: Final = 1_700_000_000_000
_ITEMS: Final = [f"item-{n}" for n in range(40)] + ["p", "ж" * 64, "靴下-🧦", "a" * 128, "x:1", "{brace}", "%00"]
_EPOCH: Final = "0badcafe"

#: How far record time moves between two events; mostly seconds, sometimes to a limit or past it.
_STEPS_MS: Final = (0, 1, 900, 4_000, 60_000, IDLE_MS, IDLE_MS + 1, AGE_MS // 3)
_STEP_WEIGHTS: Final = (3, 3, 20, 20, 10, 1, 1, 1)
#: How far a shopper's clock is from record time; the limits themselves and both sides of them.
_SKEWS_MS: Final = (0, -1_500, -LATE_MS, -LATE_MS - 1, FUTURE_MS, FUTURE_MS + 1, 86_400_000, -86_400_000)
_SKEW_WEIGHTS: Final = (20, 20, 1, 2, 1, 2, 1, 1)
_TYPES: Final[tuple[EventType, ...]] = ("view", "cart", "remove", "purchase", "like", "impression")
_TYPE_WEIGHTS: Final = (10, 3, 2, 2, 1, 3)


def history(random: Random, session_id: str, length: int) -> list[Record]:
    """What one session's key holds on the topic, in record order, redeliveries among it."""
    now, offsets, records = START_MS, [0, 0], list[Record]()
    for number in range(length):
        now += random.choices(_STEPS_MS, _STEP_WEIGHTS)[0]
        partition = 0 if random.random() < 0.9 else 1
        offsets[partition] += random.choice((1, 1, 1, 2, 7))
        position = Position(_EPOCH, partition, offsets[partition])
        records.append(Record(_event(random, session_id, number, now), now, position))
        if random.random() < 0.06:
            records.append(random.choice(records))
        if random.random() < 0.02:
            # A rewind, or a zombie: a run of the past comes again.
            records += records[-random.randint(1, 8) :]
    return records


def _event(random: Random, session_id: str, number: int, now: int) -> Click | Erase:
    if random.random() < 0.01:
        return Erase(session_id)
    kind = random.choices(_TYPES, _TYPE_WEIGHTS)[0]
    many = kind == "impression" and random.random() < 0.7
    # Some ids come again: a producer that did not hear the answer sends twice.
    event_number = max(0, number - random.randint(1, 70)) if random.random() < 0.05 else number
    return Click(
        event_id=f"e{event_number}",
        session_id=session_id,
        type=kind,
        ts=EpochMs(max(0, now + random.choices(_SKEWS_MS, _SKEW_WEIGHTS)[0])),
        item_id=None if many else random.choice(_ITEMS),
        items=tuple(random.sample(_ITEMS, random.randint(1, 30))) if many else (),
        consent=random.random() > 0.01,
    )


def batches(random: Random, records: list[Record]) -> Iterator[list[Record]]:
    """The history cut as natural batching would, anywhere."""
    at = 0
    while at < len(records):
        size = random.choice((1, 1, 1, 2, 3, 10, 60))
        yield records[at : at + size]
        at += size
