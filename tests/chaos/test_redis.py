"""S3, S5: a Redis that is gone, full, or out of disk is waited for; nothing is acknowledged that it does not have."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nextclick.servers import Guardian
from schemas.settings import RedisUrl
from tests.chaos import broken, campaign
from tests.chaos.campaign import Plan
from tests.chaos.faults import DiskFull, RedisFull, RedisKilled
from tests.kit import rungs
from tests.kit.redis_server import DURABLE, RedisServer
from tests.kit.shop import Shop
from tests.kit.traffic import Traffic

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

AWAY_S = 30.0
FULL_S = 15.0


KILLED = Plan(
    Traffic(seed=4, events=15_000, sessions=400), faults=[RedisKilled(AWAY_S)], held_s=AWAY_S + 10, grace_s=30
)


def test_a_redis_that_is_killed_while_a_worker_joins_costs_nothing(shop: Shop, own_redis: RedisServer) -> None:
    outcome = campaign.run(shop, KILLED, redis=own_redis)

    outcome.hold()
    assert set(outcome.exits) == {70}, "whoever knew the Redis that was killed begins anew with the one that came back"


def test_a_worker_that_loses_is_caught(shop: Shop, own_redis: RedisServer) -> None:
    outcome = campaign.run(shop, replace(KILLED, module=broken.module("resigned")), redis=own_redis)

    assert outcome.verdict.lost > 0
    with pytest.raises(AssertionError, match="sessions differ"):
        outcome.hold()


def test_a_full_redis_is_acknowledged_nothing_and_loses_nothing(shop: Shop, own_redis: RedisServer) -> None:
    plan = Plan(Traffic(seed=5, events=10_000, sessions=300), faults=[RedisFull(FULL_S)] * 2, held_s=2 * FULL_S + 10)

    outcome = campaign.run(shop, plan, redis=own_redis)

    outcome.hold()
    assert outcome.exits == []


def test_a_full_disk_is_acknowledged_nothing_and_loses_nothing(
    guardian: Guardian, shop: Shop, small_disk: Path
) -> None:
    redis = RedisServer(guardian, "redis-on-a-small-disk", (*DURABLE, "--dir", str(small_disk)))
    shop.settings = replace(shop.settings, redis=RedisUrl(redis.url))
    faults = [DiskFull(FULL_S, small_disk)] * 2
    try:
        plan = Plan(Traffic(seed=6, events=8_000, sessions=300), faults=faults, held_s=2 * FULL_S + 10)
        outcome = campaign.run(shop, plan, redis=redis)
        redis.kill()
        redis.start()

        outcome.hold()
        assert shop.verdict().is_whole, "what it had acknowledged is not on the disk"
        assert outcome.exits == []
    finally:
        redis.kill()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256m", "nextclick", tmp_path], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        rungs.absent(f"needs the right to mount a tmpfs: {mounted.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)
