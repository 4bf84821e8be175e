"""Five minutes of clicks wait for one worker: it folds them all, and whoever clicks meanwhile is not behind them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import msgspec
import pytest

from schemas.click import Click
from schemas.wire import EpochMs
from tests.chaos.stage import SLOWNESS
from tests.kit import freshness, topic
from tests.kit.crew import HANDLED
from tests.kit.freshness import Answer, percentile
from tests.kit.group import watched
from tests.kit.load import Load, Message, message
from tests.kit.shop import ITEMS, Shop
from tests.kit.traffic import VIEWS, Traffic
from tests.kit.worker import Worker

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1_200)]

AWAY_S: Final = 300
RATE: Final = 200
BACKLOG = Traffic(seed=20, events=AWAY_S * RATE, sessions=AWAY_S * RATE // 5, duplicates=0, kinds=VIEWS)
#: Who click now, and so often in a second, all together.
SHOPPERS: Final = 10
CLICKS_A_S: Final = 5.0
#: How long an active shopper waits at most once the fold has come to the present.
FRESH_S: Final = 1.0
#: They go on for so long when all is done.
AFTERWARDS_S: Final = 10.0
LOOK_S: Final = 0.1
GRACE_S: Final = 240.0

BEHIND: Final = "nextclick_ranking_behind"
PENDING: Final = "nextclick_pending_sessions"
LISTS: Final = 'nextclick_recommendations_total{outcome="%s"}'


@dataclass(frozen=True, slots=True)
class Moment:
    """What the worker told, so long after it was assigned its partitions."""

    after_s: float
    handled: int
    is_behind: bool
    pending: int
    #: The processor's time that it has taken by then.
    processor_s: float


def test_a_backlog_of_five_minutes_is_folded_whole_and_keeps_nobody_waiting_who_clicks_now(shop: Shop) -> None:
    # given five minutes of clicks, each with the time it was made
    freshness.stamp_lists(shop.settings)
    topic.configure(shop.settings, shop.names.clickstream, {"message.timestamp.type": "CreateTime"})
    topic.produce_dated(shop.settings.kafka, shop.names.clickstream, list(_backlog(shop.settings.group)))

    # when a worker comes, and some go on clicking
    worker = shop.worker()
    with Load(shop.settings.kafka, shop.names.clickstream, _shoppers(shop.settings.group), CLICKS_A_S) as load:
        assigned_at = _await_assigned(worker)
        moments = list(_watched(worker, assigned_at))
        time.sleep(AFTERWARDS_S)
    load.finish()
    with watched(shop.settings) as group:
        topic.eventually(lambda: group.lag() == 0 and shop.owed() == 0, "all is done", GRACE_S)
    told = worker.metrics()
    assert worker.stop() == 0

    # then
    done = next(each for each in moments if each.handled >= BACKLOG.events)
    folded_s, processor_s = done.after_s, done.processor_s - moments[0].processor_s
    active = [each for each in freshness.read(shop.settings) if each.session_id.startswith(_active(shop))]
    begun_ms = assigned_at * 1_000
    waiting = [each for each in active if each.clicked_at <= begun_ms + folded_s * 1_000]
    since = [each for each in active if each.clicked_at > begun_ms + folded_s * 1_000]
    coalesced, shed, stored = (round(told.get(LISTS % outcome, 0)) for outcome in ("coalesced", "shed", "stored"))
    verdict = shop.verdict()
    print(
        f"\nseed {BACKLOG.seed}: {BACKLOG.events:,} clicks of {BACKLOG.sessions:,} sessions over {AWAY_S} s lay there; "
        f"folded {folded_s:.1f} s after the assignment, {BACKLOG.events / folded_s:,.0f}/s, with {processor_s:.1f} s "
        f"of the processor\n"
        f"  the latest first: {_spans(moments)}; at most {max(each.pending for each in moments):,} waited\n"
        f"  {stored:,} lists stored, {coalesced:,} states coalesced, {shed:,} sessions shed\n"
        f"  {SHOPPERS} active shoppers, {CLICKS_A_S:g} clicks/s: the list for the newest click came "
        f"{_fresh(waiting, begun_ms)} s after the assignment; who clicked after the backlog waited {_told(since)}\n"
        f"  {verdict}"
    )
    assert (verdict.differ, verdict.lost, verdict.doubled) == ([], 0, 0)
    assert len(verdict.unlisted) <= shed, "somebody is owed a list, and was not shed"
    assert any(each.is_behind for each in moments), "it kept up, so it proves nothing"
    assert not moments[-1].is_behind
    assert shed > 0
    assert percentile(since, 100) <= FRESH_S * SLOWNESS * 1_000


def _backlog(run: str) -> Iterator[Click]:
    now = time.time_ns() // 1_000_000
    clicks = BACKLOG.clicks(run, now)
    for number, click in enumerate(clicks):
        yield msgspec.structs.replace(click, ts=EpochMs(now - AWAY_S * 1_000 * (len(clicks) - number) // len(clicks)))


def _active(shop: Shop) -> str:
    return f"{shop.settings.group}-now-"


def _shoppers(run: str) -> Iterator[Message]:
    for number in count():
        yield message(
            Click(
                event_id=f"{run}-now-{number}",
                session_id=f"{run}-now-{number % SHOPPERS}",
                type="view",
                ts=EpochMs(time.time_ns() // 1_000_000),
                item_id=ITEMS[number * 7 % len(ITEMS)],
            )
        )


def _await_assigned(worker: Worker) -> float:
    worker.await_assigned()
    return time.time()


def _watched(worker: Worker, assigned_at: float) -> Iterator[Moment]:
    """Until nobody waits any more."""
    while True:
        told, after_s = worker.metrics(), time.time() - assigned_at
        assert after_s < GRACE_S * SLOWNESS, f"not done after {after_s:.0f} s\n{worker.said()[-1_000:]}"
        if told:
            moment = Moment(
                after_s=after_s,
                handled=round(told.get(HANDLED, 0)),
                is_behind=told.get(BEHIND) == 1,
                pending=round(told.get(PENDING, 0)),
                processor_s=sum(worker.process.cpu_times()[:2]),
            )
            yield moment
            if moment.handled >= BACKLOG.events and not moment.is_behind and moment.pending <= SHOPPERS:
                return
        time.sleep(LOOK_S)


def _spans(moments: Sequence[Moment]) -> str:
    """From when to when, as often as it changed."""
    told: list[str] = []
    for before, moment in zip([None, *moments], moments, strict=False):
        if moment.is_behind != (before is not None and before.is_behind):
            told.append(f"{moment.after_s:.1f} s" if moment.is_behind else f"to {moment.after_s:.1f} s,")
    return " ".join(told).rstrip(",") or "never"


def _fresh(waiting: Sequence[Answer], begun_ms: float) -> str:
    """When the list came that knew the last click of before the fold was at the present; first and last shopper."""
    newest = {answer.session_id: answer for answer in waiting}
    after_s = sorted((each.clicked_at + each.waited_ms - begun_ms) / 1_000 for each in newest.values())
    return f"{after_s[0]:.1f} to {after_s[-1]:.1f}"


def _told(found: Sequence[Answer]) -> str:
    p50, p99, longest = (percentile(found, percent) for percent in (50, 99, 100))
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, {longest:.0f} ms at most ({len(found)} clicks)"
