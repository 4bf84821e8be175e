"""One partition, a store that may lose what it had, and one worker after another, each told where to read on."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count

from prometheus_client import CollectorRegistry

from schemas import profile
from schemas.click import Click, encode
from schemas.profile import Profile
from schemas.session import State, fold
from schemas.wire import EpochMs
from serving.state.memory import MemorySessionStore
from serving.state.patience import Patience
from stream.course import Course
from stream.drafting import Surroundings
from stream.intake import Delivery, read_batch
from stream.metrics import Metrics
from stream.profiles import Profiles
from stream.rewind import Rewind
from stream.watermarks import Watermarks
from tests.kit.memory_log import MemoryLog

EPOCH, LANE = "0badcafe", "0badcafe.0"
T0 = 1_700_000_000_000
HOUR_MS = 3_600_000
SAFETY_MS = 15_000
#: Between two records, so that many lie within the safety.
STEP_MS = 1_000


class Lanes:
    """Who owns what, as the ranking is told."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.again: dict[str, int] = {}

    def assign(self, again: Mapping[str, int]) -> None:
        self.again |= again

    def revoke(self, lanes: Iterable[str]) -> None:
        for lane in lanes:
            self.again.pop(lane, None)


class World:
    """One partition, a store, and one worker after another, without Faust and without ranking."""

    def __init__(self, events: int, sessions: int = 5) -> None:
        times = {offset: T0 + offset * STEP_MS for offset in range(events)}
        self.log = MemoryLog({0: times})
        self.deliveries = [delivery(offset, time, f"s{offset % sessions}") for offset, time in times.items()]
        self.store = MemorySessionStore()
        self.now = T0 + events * STEP_MS
        self.committed: int | None = None
        self._servers = count(1)
        self._numbers = count(1)
        self.start_worker()

    def start_worker(self) -> int:
        """Where it begins."""
        self.metrics = Metrics(CollectorRegistry())
        self.lanes = Lanes()
        self.generation = next(self._numbers)
        patience = Patience(45, lambda: 0.0, asyncio.sleep)
        around = Surroundings("", "", lambda: self.now, lambda: f"owner{next(self._numbers)}")
        same = self.log.same_topic
        self.course = Course(self.log, same, patience, self.metrics)
        self.profiles = Profiles(self.store, patience, self.metrics, kept=True)
        self.watermarks = Watermarks(self.store, EPOCH, lambda: 0.0, self.metrics)
        self.rewind = Rewind(
            self.store, self.log, same, self.course, self.watermarks, self.lanes, patience, around, EPOCH, SAFETY_MS,
            self.metrics,
        )  # fmt: skip
        (self.position,) = asyncio.run(self.rewind.begin(self.generation, {0: self.committed})).values()
        return self.position

    def fold(self, events: int, *, commit: bool = True) -> None:
        asyncio.run(self._fold(self.deliveries[self.position : self.position + events]))
        if commit:
            self.committed = max(self.position, self.committed or 0)

    async def _fold(self, deliveries: list[Delivery]) -> None:
        batch = await self.course.follow([replace(each, generation=self.generation) for each in deliveries])
        intake = read_batch(batch, EPOCH)
        await self.store.fold(intake.works)
        begun = await self.profiles.remember(intake.users)
        self.watermarks.folded(batch, intake.works, begun)
        self.position += len(batch)

    def write(self) -> None:
        asyncio.run(self.watermarks.write())

    def go_on(self, events: int) -> None:
        """Until all watermarks are due."""
        self.fold(events)
        self.watermarks._all_told_at = -1e9
        self.write()

    def saved(self) -> MemorySessionStore:
        return copy.deepcopy(self.store)

    def restore(self, saved: MemorySessionStore) -> None:
        """A failover to a replica that stopped there, or a restart from a copy."""
        known = self.store._known
        self.store.__dict__.update(copy.deepcopy(saved).__dict__)
        self.store.server, self.store._known = f"server{next(self._servers)}", known

    def flush(self) -> None:
        kept = self.store
        for held in (kept._states, kept._profiles, kept._lists, kept._pending, kept._watermarks):
            held.clear()

    def finish(self) -> None:
        self.fold(len(self.deliveries))

    def differs(self) -> list[str]:
        """The sessions and users that are not what one thread makes of the log."""
        states, profiles = dict[str, State](), dict[str, Profile]()
        read = read_batch(self.deliveries, EPOCH)
        for work in read.works:
            for record in work.records:
                states[work.session_id], _ = fold(states.get(work.session_id, State()), record)
        for user in read.users:
            for trace in user.records:
                profiles[user.user_id], _ = profile.fold(profiles.get(user.user_id, Profile()), trace)
        return [
            *(name for name, state in states.items() if asyncio.run(self.store.read(name)) != state),
            *(name for name, kept in profiles.items() if asyncio.run(self.store.profiles([name])) != [kept]),
        ]

    def rewinds(self, cause: str) -> float:
        return self.metrics.registry.get_sample_value("nextclick_rewinds_total", {"cause": cause}) or 0


def delivery(offset: int, time: int, session_id: str) -> Delivery:
    click = Click(
        event_id=f"e{offset}",
        session_id=session_id,
        type="view",
        ts=EpochMs(time),
        item_id=f"i{offset % 100}",
        user_id=f"u{offset % 3}",
    )
    return Delivery(session_id.encode(), encode(click), (), 0, offset, time, lambda: None)
