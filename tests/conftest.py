"""Services shared by a whole run, names that belong to one test alone."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from typing import Protocol

import hypothesis
import pytest

from nextclick import ping
from nextclick.sandbox import Sandbox
from nextclick.servers import Guardian
from schemas.errors import ServiceError
from schemas.settings import Settings
from schemas.topics import Topics
from serving.state import topics
from tests.kit import rungs
from tests.kit.kafka_server import BRIEF, LASTING
from tests.kit.redis_cluster import RedisCluster
from tests.kit.redis_server import RedisServer
from tests.kit.rungs import Kafka
from tests.kit.shop import Shop

_SERVICES = pytest.StashKey[set[str]]()

# No machine is too slow for a law: how long an example takes is what else runs there. The rest stays as it is, which
# with CI=true is the same examples in every run.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")


class Part(Protocol):
    """A process of pytest-xdist that runs a part of the tests."""

    config: pytest.Config


def pytest_configure(config: pytest.Config) -> None:
    # Run with `nohup` or in the background of a script, all that is started here would ignore what tests end it by.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.pop("COLUMNS", None)  # nor does it matter how wide the terminal is
    config.stash[_SERVICES] = set()
    config.addinivalue_line("markers", "needs(ability, ...): what the Kafka under this test must be able to do")


@pytest.fixture(autouse=True)
def _needs(request: pytest.FixtureRequest) -> None:
    marker = request.node.get_closest_marker("needs")
    if marker is not None:
        broker: Kafka = request.getfixturevalue("kafka")
        broker.require(*marker.args)


@pytest.fixture(scope="session")
def guardian() -> Iterator[Guardian]:
    """Whatever is started under it ends with this run, even with a killed one."""
    with Guardian() as guardian:
        yield guardian


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Kafka:
    """The realest Kafka that this machine has; the last line of the run says which."""
    broker = rungs.given_kafka() or _own_kafka(request)
    request.config.stash[_SERVICES].add(f"Kafka under these tests: {broker.rung}, {broker.servers}")
    return broker


def _own_kafka(request: pytest.FixtureRequest) -> Kafka:
    options = LASTING if any(_is_long(test) for test in request.session.items) else BRIEF
    try:
        return rungs.real_kafka(request.getfixturevalue("guardian"), "kafka", options)
    except ServiceError as error:
        if rungs.in_ci():
            pytest.fail(f"needs a real Kafka: {error}")
        request.config.stash[_SERVICES].add(f"no real Kafka, because {error}")
    return rungs.embedded_kafka(request.getfixturevalue("sandbox"))


def _is_long(test: pytest.Item) -> bool:
    return any(test.get_closest_marker(suite) for suite in ("chaos", "soak", "bench"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    # Of a process that runs a part of the tests: the one that tells the outcome has no services of its own.
    if (told := getattr(session.config, "workeroutput", None)) is not None:
        services = session.config.stash[_SERVICES]
        told["services"] = list(services)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Part) -> None:
    node.config.stash[_SERVICES].update(getattr(node, "workeroutput", {}).get("services", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    services = config.stash[_SERVICES]
    for line in sorted(services):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def owned_redis(guardian: Guardian) -> RedisServer:
    """A redis-server that the tests share; a test that kills one starts its own."""
    rungs.demand("redis-server")
    return RedisServer(guardian, "redis")


@pytest.fixture
def own_redis(guardian: Guardian) -> Iterator[RedisServer]:
    """For a test that takes it away."""
    rungs.demand("redis-server")
    server = RedisServer(guardian, f"redis-{secrets.token_hex(4)}")
    yield server
    server.kill()


@pytest.fixture(scope="session")
def redis_server(request: pytest.FixtureRequest) -> str:
    """The address of a real Redis. It is shared: a test keeps to session ids of its own and flushes nothing."""
    given = os.environ.get("NEXTCLICK_TEST_REDIS")
    if given:
        return given
    owned: RedisServer = request.getfixturevalue("owned_redis")
    return owned.url


@pytest.fixture(scope="session")
def redis_embedded(sandbox: Sandbox) -> str:
    return sandbox.redis


@pytest.fixture(scope="session")
def cluster(guardian: Guardian) -> RedisCluster:
    rungs.demand("redis-server", "redis-cli")
    return RedisCluster(guardian)


@pytest.fixture(scope="session")
def redis_cluster(cluster: RedisCluster) -> str:
    return cluster.url


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> str:
    """The real Redis; `parametrize("redis_url", ["server", "embedded", "cluster"], indirect=True)` for all."""
    url: str = request.getfixturevalue(f"redis_{getattr(request, 'param', 'server')}")
    return url


@pytest.fixture
def fresh_redis(owned_redis: RedisServer) -> str:
    """A Redis with nothing in it, for what a test of its own keys cannot show. Never one that was given."""
    ping.redis(owned_redis.port, "FLUSHALL")
    return owned_redis.url


@pytest.fixture
def settings(kafka: Kafka, redis_url: str) -> Settings:
    """Settings of an installation that no other test shares: its topics, its group."""
    unique = secrets.token_hex(4)
    environment = {
        "NEXTCLICK_KAFKA": kafka.servers,
        "NEXTCLICK_REDIS": redis_url,
        "NEXTCLICK_TOPIC_PREFIX": f"t{unique}.",
        "NEXTCLICK_GROUP": f"g{unique}",
        "NEXTCLICK_PARTITIONS": "4",
    }
    return Settings.read(environment, {})


@pytest.fixture
def shop(guardian: Guardian, settings: Settings) -> Shop:
    topics.create(settings, 30)
    names = Topics.named(settings.topic_prefix)
    return Shop(guardian, settings, names, topics.epoch(settings, names.clickstream, 10))


@pytest.fixture
def sid() -> str:
    """A session of this test alone: the services are shared."""
    return "s" + secrets.token_hex(8)
