"""A real Redis Cluster: three masters that share the 16,384 slots, and replicas where a test adds them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from nextclick.servers import LOOPBACK, Guardian, free_port
from schemas.errors import ServiceError
from tests.kit.redis_server import FLEETING, RedisServer

_NODES = 3
_FORM_S = 30.0
_TELL_S = 120.0
_POLL_S = 0.05
#: Long enough for a node that a busy machine keeps waiting not to be declared dead.
_NODE_TIMEOUT_MS = 5_000


class RedisCluster:
    """Running once constructed; `nodes` may be killed and started one by one."""

    def __init__(
        self, guardian: Guardian, name: str = "redis-cluster", more: Callable[[], tuple[str, ...]] = tuple
    ) -> None:
        """`more` are a node's further options."""
        self._guardian = guardian
        self._name = name
        self.nodes = [RedisServer(guardian, f"{name}-{number}", (*_options(), *more())) for number in range(_NODES)]
        self._join()
        self.await_whole()

    @property
    def url(self) -> str:
        return f"redis+cluster://{LOOPBACK}:{self.nodes[0].port}"

    def await_whole(self) -> None:
        """Until every node says that all slots are served by nodes it knows."""
        _await(lambda: all(_whole(node, len(self.nodes)) for node in self.nodes), "the Redis Cluster does not form")

    def add_replica(self, primary: RedisServer) -> RedisServer:
        """One more node, which has all that `primary` has when this returns."""
        replica = self._add()
        replica.ask(f"CLUSTER REPLICATE {primary.ask('CLUSTER MYID')}")
        _await(lambda: "master_link_status:up" in replica.ask("INFO replication"), "the replica does not follow")
        return replica

    def add_shard(self) -> RedisServer:
        """One more master, which has a fourth of all slots when this returns; they are moved key by key."""
        shard = self._add()
        arguments = ("--cluster-use-empty-masters", "--cluster-pipeline", "100")
        _tell("rebalance", f"{LOOPBACK}:{self.nodes[0].port}", *arguments)
        self.await_whole()
        return shard

    def _add(self) -> RedisServer:
        node = RedisServer(self._guardian, f"{self._name}-{len(self.nodes)}", _options())
        self.nodes.append(node)
        _, _, bus = node.ask("CLUSTER NODES").split()[1].partition("@")
        self.nodes[0].ask(f"CLUSTER MEET {LOOPBACK} {node.port} {bus}")
        self.await_whole()
        return node

    def _join(self) -> None:
        addresses = [f"{LOOPBACK}:{node.port}" for node in self.nodes]
        _tell("create", *addresses, "--cluster-replicas", "0", "--cluster-yes")


def _options() -> tuple[str, ...]:
    # The bus port is 10,000 above the other by default, which may be taken.
    bus = ("--cluster-port", str(free_port()), "--cluster-node-timeout", str(_NODE_TIMEOUT_MS))
    return ("--cluster-enabled", "yes", *bus, *FLEETING)


def _tell(*arguments: str) -> None:
    command = ["redis-cli", "--cluster", *arguments]
    told = subprocess.run(command, capture_output=True, text=True, timeout=_TELL_S, check=False)
    if told.returncode != 0:
        raise ServiceError(f"redis-cli --cluster {arguments[0]} fails: {told.stdout[-500:]}{told.stderr[-500:]}")


def _whole(node: RedisServer, nodes: int) -> bool:
    info = node.ask("CLUSTER INFO")
    return "cluster_state:ok" in info and f"cluster_known_nodes:{nodes}" in info


def _await(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _FORM_S
    while not holds():
        if time.monotonic() > deadline:
            raise ServiceError(f"{otherwise} within {_FORM_S:g} s")
        time.sleep(_POLL_S)
