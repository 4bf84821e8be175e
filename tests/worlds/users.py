"""Random histories of users: what several partitions hold of each, and every way in which workers may fold it.

Few items, hours and erasures that lie close to each other, so that deeds come again, are dropped, and are forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from schemas.click import Click, EventType
from schemas.profile import HOUR_MS, Trace
from schemas.session import LATE_MS, Position
from schemas.wire import EpochMs
from tests.worlds.histories import START_MS

EPOCH: Final = "0badcafe"
_ITEMS: Final = [f"item-{n}" for n in range(60)] + ["p", "P", "ж" * 64, "靴下-🧦", "a" * 128, "a" * 127, "é", "z"]
_TYPES: Final[tuple[EventType, ...]] = ("view", "cart", "purchase", "like")
_LAG_MS: Final = (0, 0, 0, 1, LATE_MS, LATE_MS + 1)

Lane = Sequence[Trace]


def lane(random: Random, user_id: str, partition: int, length: int) -> Lane:
    """What one partition holds of the user, in its order; clocks of brokers run apart, and not always forwards."""
    now, offset, traces = START_MS + random.randint(-2, 2) * HOUR_MS, 0, list[Trace]()
    for number in range(length):
        now += random.choice((0, 1_000, 60_000, HOUR_MS // 3, HOUR_MS, -HOUR_MS // 2))
        offset += random.choice((1, 1, 1, 9))
        traces.append(Trace(_click(random, user_id, number, now), now, Position(EPOCH, partition, offset)))
    return traces


def _click(random: Random, user_id: str, number: int, now: int) -> Click | None:
    if random.random() < 0.01:
        return None
    return Click(
        event_id=f"e{number}",
        session_id="s",
        type=random.choices(_TYPES, (10, 3, 4, 1))[0],
        ts=EpochMs(now - random.choice(_LAG_MS)),
        item_id=random.choice(_ITEMS),
        user_id=user_id,
    )


def interleaved(random: Random, lanes: Sequence[Lane]) -> list[Trace]:
    """One way of many in which the lanes are folded, each in its order, some of it again after a rewind."""
    done, folded = [0] * len(lanes), list[Trace]()
    while left := [at for at, traces in enumerate(lanes) if done[at] < len(traces)]:
        at = random.choice(left)
        run = random.choice((1, 1, 2, 20))
        begin = max(0, done[at] - random.choice((0, 0, 0, 1, 5, 50)))
        folded += lanes[at][begin : done[at] + run]
        done[at] = min(len(lanes[at]), done[at] + run)
    return folded
