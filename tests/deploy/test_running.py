"""What docker-compose.yml would start, started: each service's own command and environment, addresses replaced.

Kafka and Redis are the programs that its images carry, ours are run from here, Prometheus is Debian's.
"""

from __future__ import annotations

import asyncio
import base64
import csv
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from ruamel.yaml import YAML

from nextclick.servers import LOOPBACK, Guardian, Server, free_port
from schemas.settings import RedisUrl, Settings
from schemas.topics import specs
from serving.state import topics
from serving.state.pipeline import Call, Pipeline
from tests.deploy import redis
from tests.deploy.composition import ROOT, Service, document, read
from tests.deploy.test_dockerfile import SHIPPED, values
from tests.kit import kafka_jars, rungs
from tests.kit.kafka_server import KafkaServer
from tests.kit.topic import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

SERVICES: Final = read({})
KAFKA: Final = SERVICES["kafka"].environment
DEPLOY: Final = ROOT / "deploy"
#: The first of a machine compiles.
_START_S: Final = 240.0
_ASK_S: Final = 5.0


@dataclass
class Host:
    """This machine in the part of all the services' hosts: what is `kafka:9092` there is a port of loopback here."""

    guardian: Guardian
    places: dict[str, str] = field(default_factory=dict)
    ports: dict[int, int] = field(default_factory=dict)

    def here(self, text: str) -> str:
        for there, place in self.places.items():
            text = text.replace(there, place)
        return text

    def environment(self, service: Service) -> dict[str, str]:
        """Its own, and where this nextclick is. The directory of a server is one of the guardian's."""
        given = {name: self.here(value) for name, value in service.environment.items()}
        for name in ("NEXTCLICK_METRICS_PORT", "NEXTCLICK_SERVE_PORT"):
            if name in given:
                given[name] = str(self.port(int(given[name])))
        mounted = {mount.target: str(mount.source) for mount in service.mounts}
        if "NEXTCLICK_BUNDLE" in given:
            given["NEXTCLICK_BUNDLE"] = mounted[given["NEXTCLICK_BUNDLE"]]
        cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
        return given | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "XDG_CACHE_HOME": cache}

    def port(self, there: int) -> int:
        """Those of an endpoint's processes follow each other."""
        if there not in self.ports:
            before = self.ports.get(there - 1)
            self.ports[there] = free_port() if before is None else before + 1
        return self.ports[there]

    def start(self, name: str) -> Server:
        service = SERVICES[name]
        command = [sys.executable, "-m", "nextclick", *service.command]
        return self.guardian.start(f"compose-{name}", command, self.environment(service))

    def is_well(self, service: Service) -> bool:
        """By what the image asks where the service does not say."""
        environment = {"PATH": os.environ["PATH"]} | self.environment(service)
        done = subprocess.run(_health_of_the_image(), env=environment, capture_output=True, timeout=30, check=False)
        return done.returncode == 0


def _health_of_the_image() -> list[str]:
    (told,) = values("HEALTHCHECK", SHIPPED)
    command: list[str] = json.loads(told.partition("CMD ")[2])
    return [sys.executable if part == "python" else part for part in command]


@pytest.fixture(scope="module")
def host(guardian: Guardian) -> Host:
    rungs.demand("redis-server", "redis-cli", "java")
    host = Host(guardian)
    asked = f"{LOOPBACK}:{redis.start(guardian, 'compose-redis', SERVICES['redis'])}"
    host.places = {"kafka:9092": _kafka(guardian), "redis:6379": asked, "0.0.0.0": LOOPBACK}
    return host


def _kafka(guardian: Guardian) -> str:
    """By the rule of its image: KAFKA_AUTO_CREATE_TOPICS_ENABLE is auto.create.topics.enable."""
    told = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in KAFKA.items()
        if name.startswith("KAFKA_") and name != "KAFKA_HEAP_OPTS"
    }
    here = {"kafka:": "{host}:", "//:": "//{host}:", ":9092": ":{port}", ":9093": ":{controller}"}
    for name in ("listeners", "advertised.listeners", "controller.quorum.voters"):
        for there, place in here.items():
            told[name] = told[name].replace(there, place)
    told["log.dirs"] = "{logs}"
    properties = "".join(f"{name}={value}\n" for name, value in told.items())
    server = KafkaServer(guardian, kafka_jars.fetch(os.environ), "compose-kafka", properties)
    health = [part.replace("9092", str(server.port)) for part in SERVICES["kafka"].health]
    assert subprocess.run(health, capture_output=True, timeout=30, check=False).returncode == 0
    return server.servers


@pytest.fixture(scope="module")
def declared(host: Host) -> Settings:
    """Once `topics` has done what it is there for."""
    service = SERVICES["topics"]
    environment = host.environment(service)
    command = [sys.executable, "-m", "nextclick", *service.command]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Settings.read({name: value for name, value in environment.items() if name.startswith("NEXTCLICK_")}, {})


@pytest.fixture(scope="module")
def serving(host: Host, declared: Settings) -> Host:
    """A worker and an endpoint, who are well, and soon ready."""
    for name in ("worker", "endpoint"):
        server, service = host.start(name), SERVICES[name]
        server.await_ready(partial(host.is_well, service), _START_S)
        for port in map(int, service.told["expose"]):
            server.await_ready(partial(_is_there, host.port(port), "/ready"), _START_S)
    return host


def test_kafka_has_an_identity_that_its_storage_tool_takes() -> None:
    assert len(base64.urlsafe_b64decode(KAFKA["CLUSTER_ID"] + "==")) == 16


def test_topics_declares_each_as_it_is_meant_and_nothing_else_makes_one(declared: Settings) -> None:
    found = topics.found(declared, 10)

    assert [(topic.name, topic.differences) for topic in found] == [(spec.name, ()) for spec in specs(declared)]
    assert KAFKA["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_redis_keeps_what_it_acknowledged_and_evicts_nothing(host: Host) -> None:
    url = RedisUrl(host.here(SERVICES["verbs"].environment["NEXTCLICK_REDIS"]))

    async def told() -> str:
        pipeline = Pipeline(url)
        try:
            (answer,) = await pipeline.run([Call(("INFO",))])
            return str(answer)
        finally:
            await pipeline.close()

    answer = asyncio.run(told())
    assert "maxmemory_policy:noeviction" in answer
    assert "aof_enabled:1" in answer


def test_a_shopper_of_the_demo_gets_a_list_over_http(serving: Host) -> None:
    service = SERVICES["shoppers"]
    mounted = {mount.target: str(mount.source) for mount in service.mounts}
    words = [mounted.get(word, word) for word in service.command]
    command = [sys.executable, "-m", "nextclick", *words, "--limit", "40"]
    environment = os.environ | serving.environment(service)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    with gzip.open(service.mounts[0].source, "rt") as lines:
        session_id = next(csv.DictReader(lines))["session_id"]
    port = serving.port(SERVICES["endpoint"].published[0].inside)
    eventually(lambda: len(_recommended(port, session_id)) == 30, "30 items lie ready", 60)
    assert _typed(serving, "session", "show", session_id, "--json")["recommendation"]
    _typed(serving, "session", "erase", session_id)
    assert _typed(serving, "session", "show", session_id, "--json")["recommendation"] is None


def _typed(host: Host, *words: str) -> dict[str, Any]:
    """By a person, as `docker compose run --rm verbs` has it run."""
    environment = os.environ | host.environment(SERVICES["verbs"])
    command = [sys.executable, "-m", "nextclick", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout)) if "--json" in words else {}


def _recommended(port: int, session_id: str) -> list[object]:
    body = _page(port, f"/v1/recommendations/{quote(session_id)}?limit=30")
    return list(json.loads(body)["items"]) if body else []


def _is_there(port: int, path: str) -> bool:
    return bool(_page(port, path))


def _page(port: int, path: str) -> bytes:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=_ASK_S) as answer:
            body: bytes = answer.read()
            return body
    except OSError:
        return b""


def test_every_port_that_is_told_of_is_served(serving: Host) -> None:
    for name in ("worker", "endpoint"):
        for port in map(int, SERVICES[name].told["expose"]):
            assert b"nextclick_model{" in _page(serving.port(port), "/metrics"), (name, port)
    for published in SERVICES["endpoint"].published:
        assert _page(serving.port(published.inside), "/v1/recommendations/nobody")


def test_prometheus_reaches_every_process_and_has_its_series(serving: Host, tmp_path: Path) -> None:
    rungs.demand("prometheus")
    service = SERVICES["prometheus"]
    mounted = {mount.target: mount.source for mount in service.mounts}
    for target, source in mounted.items():
        shutil.copy(source, tmp_path / Path(target).name)
    config = document(tmp_path / "prometheus.yml")
    for job in config["scrape_configs"]:
        # Here nobody answers to the names of services.
        ports = [serving.port(each["port"]) for each in job.pop("dns_sd_configs")]
        job["static_configs"] = [{"targets": [f"{LOOPBACK}:{port}" for port in ports]}]
    with (tmp_path / "prometheus.yml").open("w", encoding="utf-8") as file:
        YAML().dump(config, file)
    port = serving.port(service.published[0].inside)
    places = {"/etc/prometheus": str(tmp_path), "=/prometheus": f"={tmp_path}/data", "=:9090": f"={LOOPBACK}:{port}"}
    command = ["prometheus", *service.command]
    for there, here in places.items():
        command = [word.replace(there, here) for word in command]

    prometheus = serving.guardian.start("compose-prometheus", command)

    prometheus.await_ready(lambda: bool(_page(port, "/-/healthy")), 60)
    assert re.search(r":9090/-/healthy$", service.health[-1])
    eventually(lambda: _up(port) == {"worker": 1, "endpoint": 2}, "every process is up", 60)
    for series in (
        "nextclick_stage_seconds_count",
        "nextclick_lag_records",
        "nextclick_http_connections",
        "nextclick_bundle_swaps_created",
    ):
        eventually(partial(_has, port, series), f"{series} is there", 30)
    assert len(_asked(port, 'count by (stage) (nextclick_stage_seconds_count{job="worker"})')) == 6
    rules = json.loads(_page(port, "/api/v1/rules"))["data"]["groups"]
    assert {rule["health"] for group in rules for rule in group["rules"]} <= {"ok", "unknown"}


def _up(port: int) -> dict[str, int]:
    found = _asked(port, "sum by (job) (up)")
    return {each["metric"]["job"]: int(each["value"][1]) for each in found}


def _has(port: int, series: str) -> bool:
    return bool(_asked(port, series))


def _asked(port: int, query: str) -> list[dict[str, Any]]:
    told = json.loads(_page(port, f"/api/v1/query?query={quote(query)}") or b'{"data": {"result": []}}')
    result: list[dict[str, Any]] = told["data"]["result"]
    return result
