"""Laws of a Redis that lost something: workers make it whole again from the topic, byte for byte.

In their long forms, with more under way when it happens, they are marked `chaos`; so is what test_rewind.py asks of the
pure core. One worker has its rewind taken out, and must be caught.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import replace
from typing import Final

import pytest

from nextclick.servers import Guardian
from schemas import keys
from schemas.session import Position
from schemas.settings import RedisUrl
from serving.state.pipeline import Call
from tests.kit import rungs, topic
from tests.kit.crew import STALE
from tests.kit.defects import Defect
from tests.kit.flow import Flow
from tests.kit.redis_cluster import RedisCluster
from tests.kit.redis_server import FLEETING, RedisServer
from tests.kit.relay import Relay
from tests.kit.shop import Shop
from tests.kit.worker import Worker, summed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_WITHIN_S: Final = 120.0
SIZES: Final = pytest.mark.parametrize(
    ("handful", "handfuls"),
    [pytest.param(10, 10, id="short"), pytest.param(100, 50, id="long", marks=pytest.mark.chaos)],
)


@pytest.fixture
def own(guardian: Guardian, shop: Shop) -> RedisServer:
    """The shop's, and no other's."""
    rungs.demand("redis-server")
    redis = RedisServer(guardian, f"redis-{secrets.token_hex(4)}")
    shop.settings = replace(shop.settings, redis=RedisUrl(redis.url))
    return redis


def go_back_to_a_copy(redis: RedisServer, flow: Flow) -> None:
    """As after a disk that did not keep its last seconds."""
    copy = redis.directory.with_name(redis.directory.name + "-copy")
    shutil.copytree(redis.directory, copy)
    flow.await_more()
    redis.kill()
    shutil.rmtree(redis.directory)
    shutil.move(copy, redis.directory)
    redis.start()


@SIZES
def test_a_redis_that_comes_back_from_a_copy_is_made_whole(
    shop: Shop, own: RedisServer, handful: int, handfuls: int
) -> None:
    flow = Flow(shop, handful=handful, handfuls=handfuls)

    with flow.flowing():
        go_back_to_a_copy(own, flow)
        after = flow.await_successor("replication id", "start the worker again")

    flow.await_recovered()
    assert after.metrics()['nextclick_rewinds_total{cause="replaced"}'] > 0
    assert after.stop() == 0


@pytest.mark.chaos
def test_without_the_rewind_the_same_copy_stays_wrong(shop: Shop, own: RedisServer) -> None:
    flow = Flow(shop, *Defect.FORGETFUL.module)

    with flow.flowing():
        go_back_to_a_copy(own, flow)

    flow.await_caught_up()
    assert shop.sessions_that_differ() != []
    assert flow.worker.stop() == 0


@pytest.mark.chaos
def test_a_redis_that_is_emptied_is_filled_again_from_the_topic(shop: Shop, own: RedisServer) -> None:
    flow = Flow(shop, handful=100, handfuls=50)

    with flow.flowing():
        own.ask("FLUSHALL")
        after = flow.await_successor("it was emptied", "start the worker again")

    flow.await_caught_up()
    flow.await_whole()
    assert after.metrics()['nextclick_rewinds_total{cause="missing"}'] > 0
    assert after.stop() == 0


def test_a_redis_that_keeps_nothing_is_filled_again_after_it_was_killed(guardian: Guardian, shop: Shop) -> None:
    rungs.demand("redis-server")
    redis = RedisServer(guardian, f"redis-{secrets.token_hex(4)}", FLEETING)
    shop.settings = replace(shop.settings, redis=RedisUrl(redis.url))
    flow = Flow(shop)

    with flow.flowing():
        redis.kill()
        redis.start()
        after = flow.await_successor("replication id", "start the worker again")

    flow.await_recovered()
    assert after.metrics()['nextclick_rewinds_total{cause="missing"}'] > 0
    assert after.stop() == 0


@SIZES
def test_a_replica_that_lacks_the_last_seconds_takes_over_and_is_made_whole(
    guardian: Guardian, shop: Shop, own: RedisServer, handful: int, handfuls: int
) -> None:
    replica = RedisServer(guardian, f"replica-{secrets.token_hex(4)}")
    replica.ask(f"REPLICAOF 127.0.0.1 {own.port}")
    with Relay(own.port) as address:
        shop.settings = replace(shop.settings, redis=RedisUrl(f"redis://127.0.0.1:{address.port}/0"))
        flow = Flow(shop, handful=handful, handfuls=handfuls)

        with flow.flowing():
            topic.eventually(lambda: "master_link_status:up" in replica.ask("INFO replication"), "it follows")
            replica.ask("REPLICAOF NO ONE")
            flow.await_more()
            own.kill()
            address.lead_to(replica.port)
            after = flow.await_successor("replication id")

        flow.await_recovered()
        assert after.stop() == 0


@pytest.mark.chaos
def test_one_of_three_shards_fails_over_and_is_made_whole(guardian: Guardian, shop: Shop) -> None:
    rungs.demand("redis-server", "redis-cli")
    cluster = RedisCluster(guardian, f"cluster-{secrets.token_hex(4)}")
    primary = cluster.nodes[1]
    replica = cluster.add_replica(primary)
    shop.settings = replace(shop.settings, redis=RedisUrl(cluster.url))
    flow = Flow(shop)

    with flow.flowing():
        primary.ask("ACL SETUSER default -psync -sync")
        primary.ask("CLIENT KILL TYPE replica")
        flow.await_more()
        primary.kill()
        replica.ask("CLUSTER FAILOVER TAKEOVER")
        after = flow.await_successor("replication id")

    flow.await_recovered()
    assert after.metrics()['nextclick_rewinds_total{cause="replaced"}'] > 0
    assert after.stop() == 0


@pytest.mark.chaos
def test_a_shard_that_joins_and_takes_slots_over_costs_a_restart_and_no_click(guardian: Guardian, shop: Shop) -> None:
    rungs.demand("redis-server", "redis-cli")
    cluster = RedisCluster(guardian, f"cluster-{secrets.token_hex(4)}")
    shop.settings = replace(shop.settings, redis=RedisUrl(cluster.url))
    flow = Flow(shop)

    with flow.flowing():
        cluster.add_shard()
        after = flow.await_successor("replication id")

    flow.await_caught_up()
    flow.await_whole()
    assert after.metrics()['nextclick_rewinds_total{cause="replaced"}'] > 0
    assert after.metrics().get('nextclick_rewinds_total{cause="missing"}', 0) == 0, "watermarks move with their slots"
    assert after.stop() == 0


def test_an_event_below_the_committed_offset_is_seen_again(shop: Shop, own: RedisServer) -> None:
    clicks = shop.clicks(40, sessions=4)
    first = shop.worker()
    first.await_assigned()
    shop.send(clicks)
    topic.eventually(lambda: shop.sessions_that_differ() == [], "folded", _WITHIN_S)
    assert first.stop() == 0
    lost = clicks[0].session_id
    shop.ask([Call(("DEL", keys.session(lost)))])
    assert shop.sessions_that_differ() == [lost]

    second = shop.worker()
    second.await_assigned()
    more = shop.clicks(1, sessions=1)
    shop.send(more)
    topic.eventually(lambda: shop.folded(more) == 1, "the next click is folded", _WITHIN_S)
    assert stale(second) == 0, "a watermark that holds is believed"
    assert second.stop() == 0
    assert shop.sessions_that_differ() == [lost]

    forget_watermarks(shop)
    third = shop.worker()

    topic.eventually(lambda: shop.sessions_that_differ() == [], "what was lost is there again", _WITHIN_S)
    assert stale(third) >= 30, "the others' events were read again too, and changed nothing"
    assert third.stop() == 0


@pytest.mark.chaos
def test_whoever_is_still_there_is_told_again_after_a_rewind_and_nobody_else(shop: Shop, own: RedisServer) -> None:
    """A mark may be what was lost: then no other trace is left of a list that is stored and was not published."""
    clicks = shop.clicks(4, sessions=4)
    first = shop.worker()
    first.await_assigned()
    shop.send(clicks)
    topic.eventually(lambda: len(shop.lists()) == 4, "all are told", _WITHIN_S)
    assert first.stop() == 0
    forget_watermarks(shop)

    second = shop.worker()

    topic.eventually(lambda: len(shop.lists()) == 8, "all are told again", _WITHIN_S)
    assert second.stop() == 0
    third = shop.worker()
    third.await_assigned()
    more = shop.clicks(1, sessions=1)
    shop.send(more)
    topic.eventually(lambda: len(shop.lists()) == 9, "the next click is answered", _WITHIN_S)
    assert third.stop() == 0


def stale(worker: Worker) -> float:
    return summed(worker.metrics(), STALE)


def forget_watermarks(shop: Shop) -> None:
    lanes = [Position(shop.epoch, partition, 0).lane for partition in range(shop.settings.partitions)]
    shop.ask([Call(("DEL", keys.watermark(lane, keys.ANCHORS[0]))) for lane in lanes])
