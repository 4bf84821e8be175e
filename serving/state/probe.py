"""What `nextclick doctor` and every start ask of Kafka and Redis: is it there, and is it as we need it?

Synchronous; each function waits at most a few times `timeout_s` and raises our own errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import redis as client
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from schemas.errors import RedisError
from schemas.settings import RedisUrl, Settings
from serving.state import broker
from serving.state.pipeline import refuses_login, unreachable

_CLUSTER_NODES: Final = RedisCluster.PRIMARIES


@dataclass(frozen=True, slots=True)
class RedisFound:
    """A Redis that answered; of a Cluster, the least able node."""

    version: tuple[int, ...]
    #: Of every node; what a node does not tell is "unknown".
    eviction: frozenset[str]
    nodes: int
    cluster: bool


@dataclass(frozen=True, slots=True)
class KafkaFound:
    """A Kafka that answered."""

    brokers: int
    #: The oldest release that speaks all that this one speaks.
    version: str


def redis(url: RedisUrl, timeout_s: float) -> RedisFound:
    """RedisError, with what to do, when it is away or of the wrong kind."""
    try:
        return _ask_cluster(url, timeout_s) if url.is_cluster else _ask_server(url, timeout_s)
    except client.RedisClusterException as error:
        if refuses_login(error):
            raise unreachable(url.masked, error) from error
        scheme = (
            "rediss://, and if this port speaks no TLS with redis://" if url.masked.startswith("rediss") else "redis://"
        )
        raise RedisError(
            f"{url.masked} is no Redis Cluster that can be used ({error}); "
            f"for a single server begin NEXTCLICK_REDIS with {scheme}"
        ) from error
    except (client.RedisError, OSError) as error:
        raise unreachable(url.masked, error) from error


def _ask_server(url: RedisUrl, timeout_s: float) -> RedisFound:
    with client.Redis.from_url(url.reveal(), **_bounds(timeout_s)) as server:
        info = cast(dict[str, Any], server.info())
        if info.get("cluster_enabled"):
            raise RedisError(f"{url.masked} is a node of a Redis Cluster; begin NEXTCLICK_REDIS with redis+cluster://")
        return RedisFound(_version(info), frozenset({_eviction(info)}), 1, cluster=False)


def _ask_cluster(url: RedisUrl, timeout_s: float) -> RedisFound:
    address = url.reveal().replace("+cluster", "", 1)
    with RedisCluster.from_url(address, **_bounds(timeout_s)) as cluster:
        nodes = cast(dict[str, dict[str, Any]], cluster.info(target_nodes=_CLUSTER_NODES))
        state = cast(dict[str, str], cluster.cluster_info(target_nodes=cluster.get_random_node()))
        cluster.disconnect_connection_pools()  # which `with` alone leaves to the garbage collector
    if state.get("cluster_state") != "ok":
        raise RedisError(
            f"the Redis Cluster at {url.masked} does not serve all slots; `redis-cli --cluster check` tells"
        )
    infos = list(nodes.values()) if all(isinstance(each, dict) for each in nodes.values()) else [nodes]
    return RedisFound(min(map(_version, infos)), frozenset(map(_eviction, infos)), len(infos), cluster=True)


def _bounds(timeout_s: float) -> dict[str, Any]:
    return {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s, "retry": Retry(NoBackoff(), 0)}


def _version(info: dict[str, Any]) -> tuple[int, ...]:
    return tuple(int(part) for part in str(info.get("redis_version", "0")).split(".") if part.isdigit())


def _eviction(info: dict[str, Any]) -> str:
    return str(info.get("maxmemory_policy", "unknown"))


def kafka(settings: Settings, timeout_s: float) -> KafkaFound:
    """KafkaError, with what to do, when it is away."""
    with broker.asked(settings, timeout_s) as admin:
        brokers = admin.describe_cluster()["brokers"]
        version = admin.get_broker_version_data(brokers[0]["broker_id"]).broker_version
        return KafkaFound(len(brokers), ".".join(map(str, version)))
