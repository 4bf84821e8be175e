"""The kit's Redis servers: they answer, outlive what tests do to them, and form a cluster."""

from __future__ import annotations

import pytest
import redis
from redis.cluster import RedisCluster as ClusterClient

from nextclick import ping
from nextclick.servers import Guardian
from schemas import keys
from schemas.errors import RedisError
from tests.kit import rungs
from tests.kit.redis_cluster import RedisCluster
from tests.kit.redis_server import RedisServer

TOUCH = "for i, key in ipairs(KEYS) do redis.call('SET', key, i, 'EX', 60) end return #KEYS"


@pytest.fixture(scope="module")
def own(guardian: Guardian) -> RedisServer:
    rungs.demand("redis-server")
    return RedisServer(guardian, "redis-of-the-kit-tests")


@pytest.mark.parametrize("redis_url", ["server", "embedded"], indirect=True)
def test_a_redis_url_leads_to_a_server_that_answers(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"


def test_a_killed_redis_comes_back_on_the_same_port_with_what_it_wrote(own: RedisServer) -> None:
    # given
    url, pid = own.url, own.pid
    own.ask("SET facts kept")
    # when
    own.kill()
    with pytest.raises(RedisError, match="is it running"):
        own.ask("PING")
    own.start()
    # then
    assert own.url == url
    assert own.pid != pid
    assert own.ask("GET facts") == "kept"


def test_a_stopped_redis_comes_back_with_what_it_wrote(own: RedisServer) -> None:
    own.ask("SET facts again")
    own.stop()
    own.start()
    assert own.ask("GET facts") == "again"


def test_a_frozen_redis_is_silent_until_it_thaws(own: RedisServer) -> None:
    # given
    own.pause()
    # when
    with pytest.raises(RedisError):
        own.ask("PING")
    own.resume()
    # then
    assert own.ask("PING") == "PONG"


def test_a_frozen_redis_can_be_killed(own: RedisServer) -> None:
    own.pause()
    own.kill()
    own.start()
    assert own.ask("PING") == "PONG"


def test_fresh_redis_is_empty(fresh_redis: str, owned_redis: RedisServer) -> None:
    assert fresh_redis == owned_redis.url
    assert ping.redis(owned_redis.port, "DBSIZE") == "0"


def test_the_cluster_has_three_masters_that_share_all_slots(cluster: RedisCluster) -> None:
    info = cluster.nodes[0].ask("CLUSTER INFO")
    assert "cluster_slots_ok:16384" in info
    assert "cluster_size:3" in info


def test_the_cluster_spreads_sessions_and_keeps_each_on_one_node(redis_cluster: str) -> None:
    with ClusterClient.from_url(redis_cluster.replace("redis+cluster", "redis")) as client:
        # given sessions whose keys share a hash tag
        sessions = [f"kit-{number}" for number in range(64)]
        nodes = set()
        for session in sessions:
            mine = [keys.session(session), keys.vector(session), keys.recommendation(session), keys.erased(session)]
            # when one script touches all keys of a session
            count = client.eval(
                "for i, key in ipairs(KEYS) do redis.call('SET', key, i, 'EX', 60) end return #KEYS", 4, *mine
            )
            # then the cluster lets it
            assert count == 4
            (node,) = {client.get_node_from_key(key).name for key in mine}
            nodes.add(node)
        client.disconnect_connection_pools()  # which `with` alone leaves to the garbage collector
        assert len(nodes) == 3


def test_a_killed_cluster_node_comes_back_into_the_cluster(guardian: Guardian) -> None:
    rungs.demand("redis-server", "redis-cli")
    cluster = RedisCluster(guardian, "redis-cluster-of-the-kit-tests")
    cluster.nodes[1].kill()
    cluster.nodes[1].start()
    cluster.await_whole()
    assert "cluster_slots_ok:16384" in cluster.nodes[1].ask("CLUSTER INFO")
