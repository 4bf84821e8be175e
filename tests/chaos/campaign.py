"""A campaign: load, a schedule of faults under it, the wait until all is quiet, and the verdict.

1. The crew consumes; the load begins.
2. When a quarter is done, the faults strike, one after another, after pauses drawn from the seed. The
   load's pace follows from the schedule, so that there is work left at the last fault.
3. The load ends. Within its grace the group is past every record, and every session has its list.
4. Every session is compared, byte for byte, with what one thread makes of the topic as the broker holds it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from random import Random
from typing import Final

from tests.chaos.faults import Fault
from tests.chaos.stage import SLOWNESS, Stage
from tests.kit.crew import DUPLICATE, STALE, Crew
from tests.kit.group import watched
from tests.kit.kafka_server import KafkaServer
from tests.kit.load import Load, message
from tests.kit.redis_server import RedisServer
from tests.kit.shop import Shop
from tests.kit.traffic import Traffic
from tests.kit.verdict import Verdict
from tests.kit.worker import Worker

#: The share of all records that is processed when the faults begin, and the share that is sent while they last.
_BEFORE: Final = 0.25
_DURING: Final = 0.65
_START_S: Final = 120.0
#: The share of all records that the group is past between one fault and the next, at the least: who has only begun
#: to work has nothing to lose.
_STRIDE: Final = 0.01


@dataclass(frozen=True)
class Plan:
    traffic: Traffic
    faults: Sequence[Fault] = ()
    #: Drawn from the traffic's seed, one before each fault.
    pauses_s: tuple[float, float] = (3.0, 7.0)
    #: How long the faults themselves take, together.
    held_s: float = 0.0
    #: Events a second where no fault gives the pace.
    rate: float = 1_000.0
    workers: int = 2
    session_timeout_ms: int = 6_000
    #: From the last fault until nobody has anything left to do.
    grace_s: float = 60.0
    #: What the workers are, where they are not `nextclick stream`.
    module: Sequence[str] = ()
    #: Static names in the group, given in turn: whoever takes a worker's place has its name.
    names: Sequence[str] = ()

    def pauses(self) -> list[float]:
        random = Random(self.traffic.seed)
        return [random.uniform(*self.pauses_s) for _ in self.faults]

    def pace(self) -> float:
        lasts_s = sum(self.pauses()) + self.held_s
        return _DURING * self.traffic.events / lasts_s if self.faults else self.rate


@dataclass(frozen=True)
class Outcome:
    plan: Plan
    #: The share of all records that the group was past when each fault struck.
    struck: Sequence[float]
    #: From the last fault until the group was past every record.
    drained_s: float
    #: Records delivered again, and events sent twice, that changed nothing.
    redelivered: int
    duplicates: int
    #: Of workers that ended unasked.
    exits: Sequence[int]
    #: The most that a worker's memory grew, from its first weighing at work.
    grew_mib: float
    recoveries_s: Sequence[float]
    verdict: Verdict
    took_s: float

    def hold(self) -> None:
        """What every campaign must show, to have proved anything and to have passed."""
        assert len(self.struck) == len(self.plan.faults)
        if self.struck:
            assert 0.2 <= self.struck[0] <= 0.8, "struck before or after the work, a fault proves nothing"
            assert self.struck[-1] < 1, "the last fault found nothing left to do"
        assert self.verdict.is_whole, str(self.verdict)
        assert (self.verdict.lost, self.verdict.doubled) == (0, 0)

    def __str__(self) -> str:
        return "; ".join(filter(None, self._figures()))

    def _figures(self) -> Iterator[str]:
        plan, traffic = self.plan, self.plan.traffic
        yield (
            f"seed {traffic.seed}: {traffic.events:,} events, {traffic.duplicates:.0%} sent twice, "
            f"{traffic.sessions:,} sessions, {plan.pace():.0f}/s, {plan.workers} workers"
        )
        struck = ", ".join(f"{share:.0%}" for share in self.struck)
        yield f"faults at {struck} of the work" if struck else "no faults"
        yield f"lag 0 {self.drained_s:.1f} s after the last, of {plan.grace_s * SLOWNESS:g}"
        recovered = ", ".join(f"{seconds:.1f}" for seconds in self.recoveries_s)
        yield f"at work again {recovered} s after each return" if recovered else ""
        yield str(self.verdict)
        yield f"absorbed: {self.redelivered:,} redelivered, {self.duplicates:,} sent twice"
        yield f"memory {self.grew_mib:+.0f} MiB at most"
        yield f"unasked exits: {', '.join(map(str, self.exits)) or 'none'}"
        yield f"{self.took_s:.0f} s in all"


def run(shop: Shop, plan: Plan, redis: RedisServer | None = None, kafka: KafkaServer | None = None) -> Outcome:
    """Prints its figures, whatever they are; `Outcome.hold` is for the caller to call."""
    began = time.monotonic()
    shop.settings = replace(shop.settings, session_timeout_ms=plan.session_timeout_ms)
    clicks = plan.traffic.clicks(shop.settings.group, _now_ms())
    names = cycle(plan.names or ("",))

    def worker() -> Worker:
        return Worker(shop.guardian, replace(shop.settings, group_instance=next(names)), *plan.module)

    with Crew(worker, plan.workers) as crew, watched(shop.settings) as group:
        crew.await_assigned()
        stage = Stage(shop, crew, group, redis, kafka)
        with Load(shop.settings.kafka, shop.names.clickstream, map(message, clicks), plan.pace()) as load:
            blows = list(_strike(stage, plan, len(clicks)))
            last = time.monotonic()
            stage.await_that(lambda: load.is_over, "all is sent", len(clicks) / plan.pace() + plan.grace_s)
            load.finish()
        last = last if blows else time.monotonic()
        stage.await_that(lambda: group.lag() == 0, "the group is past every record", plan.grace_s)
        drained_s = time.monotonic() - last
        stage.await_that(lambda: shop.owed() == 0, "nobody is owed a list", plan.grace_s)
        stage.pass_time(1)  # what the workers tell of their last batches
        crew.dismiss_all()
    outcome = Outcome(
        plan=plan,
        struck=blows,
        drained_s=drained_s,
        redelivered=crew.total(STALE),
        duplicates=crew.total(DUPLICATE),
        exits=crew.exits,
        grew_mib=crew.growth_mib(),
        recoveries_s=stage.recoveries,
        verdict=shop.verdict(),
        took_s=time.monotonic() - began,
    )
    print(f"\n{outcome}")
    return outcome


def _strike(stage: Stage, plan: Plan, records: int) -> Iterator[float]:
    """The share of all records that the group was past at each fault."""
    goal = _BEFORE
    for pause_s, fault in zip(plan.pauses(), plan.faults, strict=True):
        stage.pass_time(pause_s)
        stage.await_committed(goal * records, "somebody is at work", max(_START_S, plan.grace_s))
        share = stage.group.committed() / records
        yield share
        fault.strike(stage)
        goal = share + _STRIDE


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
