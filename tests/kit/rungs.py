"""Which Kafka and Redis a run of the tests stands on, and what those can.

    given      NEXTCLICK_TEST_KAFKA, NEXTCLICK_TEST_REDIS name a service that runs already
    real       an Apache Kafka in a JVM, a redis-server: started here, ended here
    embedded   the sandbox's pair

A test names what it needs. What is missing is skipped at home, with the reason; with CI=true it fails.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

import pytest

from nextclick.sandbox import Sandbox
from nextclick.servers import Guardian
from schemas.errors import ServiceError
from tests.kit import kafka_jars
from tests.kit.kafka_server import BRIEF, KafkaServer


class Ability(StrEnum):
    """What one broker can and another cannot."""

    DURABLE = "durable"  # a restart keeps the records
    IDEMPOTENT_ASYNC = "idempotent_async"  # aiokafka's producer may be idempotent
    APPEND_TIME = "append_time"  # message.timestamp.type=LogAppendTime is honoured
    STRICT = "strict"  # it refuses what it cannot do, and creates no topic by itself
    OURS = "ours"  # it may be killed, frozen and started again


class Rung(StrEnum):
    """Where a service comes from."""

    GIVEN = "given"
    REAL = "real"
    EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Kafka:
    """The broker of this run; `server` is there where it is ours."""

    servers: str
    rung: Rung
    abilities: frozenset[Ability]
    server: KafkaServer | None = None

    def require(self, *needs: str) -> None:
        lacking = [ability for ability in map(Ability, needs) if ability not in self.abilities]
        if lacking:
            absent(f"needs a Kafka that is {', '.join(lacking)}; the {self.rung} one is not")


def given_kafka() -> Kafka | None:
    servers = os.environ.get("NEXTCLICK_TEST_KAFKA")
    return Kafka(servers, Rung.GIVEN, frozenset(Ability) - {Ability.OURS}) if servers else None


def real_kafka(guardian: Guardian, name: str, options: tuple[str, ...] = BRIEF) -> Kafka:
    """Java runs with `options`. ServiceError when this machine cannot have one."""
    if shutil.which("java") is None:
        raise ServiceError("there is no java: install Java 17 or later, or name a Kafka in NEXTCLICK_TEST_KAFKA")
    server = KafkaServer(guardian, kafka_jars.fetch(os.environ), name, options=options)
    return Kafka(server.servers, Rung.REAL, frozenset(Ability), server)


def embedded_kafka(sandbox: Sandbox) -> Kafka:
    return Kafka(sandbox.kafka, Rung.EMBEDDED, frozenset())


def demand(*programs: str) -> None:
    """The test cannot run where one of these is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            absent(f"needs {program} on the PATH")


def in_ci() -> bool:
    return os.environ.get("CI") == "true"


def absent(reason: str) -> NoReturn:
    if in_ci():
        pytest.fail(f"{reason}; with CI=true nothing may be missing")
    pytest.skip(reason)
