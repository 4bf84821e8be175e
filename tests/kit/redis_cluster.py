"""A real Redis Cluster: three masters that share the 16,384 slots, no replicas."""

from __future__ import annotations

import subprocess
import time

from nextclick.servers import LOOPBACK, Guardian, free_port
from schemas.errors import ServiceError
from tests.kit.redis_server import FLEETING, RedisServer

_NODES = 3
_FORM_S = 30.0
_POLL_S = 0.05
#: Long enough for a node that a busy machine keeps waiting not to be declared dead.
_NODE_TIMEOUT_MS = 5_000


class RedisCluster:
    """Running once constructed; `nodes` may be killed and started one by one."""

    def __init__(self, guardian: Guardian, name: str = "redis-cluster") -> None:
        self.nodes = [RedisServer(guardian, f"{name}-{number}", _options()) for number in range(_NODES)]
        self._join()
        self.await_whole()

    @property
    def url(self) -> str:
        return f"redis+cluster://{LOOPBACK}:{self.nodes[0].port}"

    def await_whole(self) -> None:
        """Until every node says that all slots are served by nodes it knows."""
        deadline = time.monotonic() + _FORM_S
        while not all(_whole(node) for node in self.nodes):
            if time.monotonic() > deadline:
                raise ServiceError("the Redis Cluster does not form: " + self.nodes[0].ask("CLUSTER INFO"))
            time.sleep(_POLL_S)

    def _join(self) -> None:
        addresses = [f"{LOOPBACK}:{node.port}" for node in self.nodes]
        command = ["redis-cli", "--cluster", "create", *addresses, "--cluster-replicas", "0", "--cluster-yes"]
        made = subprocess.run(command, capture_output=True, text=True, timeout=_FORM_S, check=False)
        if made.returncode != 0:
            raise ServiceError(f"redis-cli does not make a cluster: {made.stdout[-500:]}{made.stderr[-500:]}")


def _options() -> tuple[str, ...]:
    # The bus port is 10,000 above the other by default, which may be taken.
    bus = ("--cluster-port", str(free_port()), "--cluster-node-timeout", str(_NODE_TIMEOUT_MS))
    return ("--cluster-enabled", "yes", *bus, *FLEETING)


def _whole(node: RedisServer) -> bool:
    info = node.ask("CLUSTER INFO")
    return "cluster_state:ok" in info and f"cluster_known_nodes:{_NODES}" in info
