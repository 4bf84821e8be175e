"""S3, S3b: while Redis is gone or slow, the endpoint answers everybody, in time, and says that it does without."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from nextclick.answers import percentile
from nextclick.bench import poll, visitors
from nextclick.bench.crowd import Crowd
from nextclick.bench.visitors import Visitor
from nextclick.servers import LOOPBACK, Guardian
from schemas.settings import RedisUrl, Settings
from tests.chaos.stage import SLOWNESS
from tests.kit.balancer import Balancer
from tests.kit.endpoint import Endpoint
from tests.kit.pollers import Poll, Pollers
from tests.kit.redis_server import RedisServer
from tests.kit.relay import Relay
from tests.kit.shop import Shop
from tests.kit.worker import BUNDLE

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

SESSIONS = 300
RATE = 100.0
AWAY_S = 30.0
SPAN_S = 5
P99_MAX_MS = 100.0
#: After Redis is back until it is asked by all again.
BACK_S = 10.0
#: Enough for all who wait at once.
LINES = 256


@contextmanager
def answering(settings: Settings, guardian: Guardian, redis: str, processes: int = 1) -> Iterator[list[Endpoint]]:
    endpoints = [Endpoint(guardian, replace(settings, redis=RedisUrl(redis))) for _ in range(processes)]
    for endpoint in endpoints:
        endpoint.await_ready()
    yield endpoints
    for endpoint in endpoints:
        assert endpoint.stop() == 0


def curve(polls: Sequence[Poll], began_s: float, what: str) -> None:
    print(f"\n{what}")
    spans: dict[int, list[Poll]] = {}
    for each in polls:
        spans.setdefault(int((each.at_s - began_s) // SPAN_S) * SPAN_S, []).append(each)
    for second, span in sorted(spans.items()):
        took = [each.took_ms for each in span]
        statuses = ", ".join(f"{count} x {status}" for status, count in Counter(each.status for each in span).items())
        spared = ", ".join(f"{count} {why}" for why, count in Counter(each.fallback for each in span).items() if why)
        p50, p99 = percentile(took, 0.5), percentile(took, 0.99)
        print(
            f"  {second:4} s  p50 {p50:5.1f}, p99 {p99:6.1f}, most {max(took):6.1f} ms; {statuses}; {spared or 'fresh'}"
        )


def during(polls: Sequence[Poll], from_s: float, to_s: float) -> list[Poll]:
    return [each for each in polls if from_s <= each.at_s < to_s]


@pytest.mark.parametrize("balanced", [False, True], ids=["asked directly", "behind a balancer that honours readiness"])
def test_while_redis_is_gone_everybody_is_answered_in_time(
    shop: Shop, guardian: Guardian, own_redis: RedisServer, balanced: bool
) -> None:
    settings, pages = stocked(shop)
    with (
        answering(settings, guardian, own_redis.url, 2 if balanced else 1) as endpoints,
        Balancer(endpoints) as balancer,
    ):
        with polling(balancer.port if balanced else endpoints[0].port, pages) as pollers:
            began_s = time.monotonic()
            time.sleep(10)
            gone_s = time.monotonic()
            own_redis.kill()
            time.sleep(AWAY_S)
            degraded = endpoints[0].ready()
            back_s = time.monotonic()
            own_redis.start()
            time.sleep(2 * BACK_S)
        curve(pollers.polls, began_s, f"Redis killed after {gone_s - began_s:.0f} s, back after {AWAY_S:g} s more")
    held(pollers.polls, gone_s, back_s)
    assert (degraded[0], degraded[1]["degraded"]) == (200, ["redis"])
    assert not any(each.fallback == "redis" for each in during(pollers.polls, back_s + BACK_S, back_s + 3 * BACK_S))


def test_while_redis_is_slow_everybody_is_answered_in_time(
    shop: Shop, guardian: Guardian, own_redis: RedisServer
) -> None:
    settings, pages = stocked(shop)
    with (
        Relay(own_redis.port) as relay,
        answering(settings, guardian, f"redis://{LOOPBACK}:{relay.port}/0") as endpoints,
    ):
        with polling(endpoints[0].port, pages) as pollers:
            began_s = time.monotonic()
            time.sleep(10)
            slow_s = time.monotonic()
            relay.delay_s = 0.2
            time.sleep(AWAY_S)
            fast_s = time.monotonic()
            relay.delay_s = 0.0
            time.sleep(2 * BACK_S)
        curve(pollers.polls, began_s, f"Redis slower by 200 ms after {slow_s - began_s:.0f} s, for {AWAY_S:g} s")
    held(pollers.polls, slow_s, fast_s)
    assert not any(each.fallback == "redis" for each in during(pollers.polls, fast_s + BACK_S, fast_s + 3 * BACK_S))


def test_while_redis_is_frozen_a_thousand_polls_a_second_are_answered_in_time(
    shop: Shop, guardian: Guardian, own_redis: RedisServer
) -> None:
    settings, pages = stocked(shop)
    requests = [page.request() for page in pages]
    with answering(settings, guardian, own_redis.url) as [endpoint]:
        crowd = Crowd(LOOPBACK, endpoint.port, LINES, lambda number: requests[number % len(requests)])
        crowd.play([1_000], 5)  # so that it has read every list
        own_redis.pause()
        [polled] = crowd.play([1_000], AWAY_S)
        own_redis.resume()
    p50, p99 = percentile(polled.each_ms, 0.5), percentile(polled.each_ms, 0.99)
    print(f"\nRedis frozen for {AWAY_S:g} s: p50 {p50:.1f}, p99 {p99:.1f}, most {max(polled.each_ms):.1f} ms")
    assert set(polled.statuses) == {200}
    assert p99 <= P99_MAX_MS * SLOWNESS


def stocked(shop: Shop) -> tuple[Settings, list[Visitor]]:
    """An installation with security on, and who polls it: every session has its list."""
    settings, key = poll.opened(replace(shop.settings, bundle=str(BUNDLE)), 1)
    clicks = shop.clicks(3 * SESSIONS, SESSIONS)
    asyncio.run(visitors.stock(settings, clicks))
    return settings, visitors.admitted(settings, key, sorted({click.session_id for click in clicks}))


def polling(port: int, pages: Sequence[Visitor]) -> Pollers:
    def page(number: int) -> Visitor:
        return pages[number % len(pages)]

    return Pollers(port, lambda number: page(number).path, RATE, headers=lambda number: page(number).headers)


def held(polls: Sequence[Poll], from_s: float, to_s: float) -> None:
    assert {each.status for each in polls} == {200}
    away = during(polls, from_s, to_s)
    assert any(each.fallback == "redis" for each in away), "Redis was not missed"
    p99_ms = percentile([each.took_ms for each in away], 0.99)
    print(f"  while Redis was away: {len(away):,} answers, p99 {p99_ms:.1f} ms")
    assert p99_ms <= P99_MAX_MS * SLOWNESS
