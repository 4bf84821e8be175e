"""The kit's Kafka: a broker that can be killed, frozen and started again with its records."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from nextclick import ping
from nextclick.servers import Guardian
from schemas.errors import ServiceError
from schemas.settings import Settings
from tests.kit import kafka_jars, rungs
from tests.kit.kafka_server import KafkaServer
from tests.kit.rungs import Ability, Kafka, Rung

_TIMEOUT_S = 20.0


@pytest.fixture(scope="module")
def own(guardian: Guardian, kafka: Kafka) -> KafkaServer:
    """A Kafka that these tests may kill without disturbing others."""
    kafka.require(Ability.OURS)
    broker = rungs.real_kafka(guardian, "kafka-of-the-kit-tests").server
    assert broker
    return broker


def _create(servers: str, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=servers)
    admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
    admin.close()


def _produce(servers: str, topic: str, values: list[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=servers)
    for sent in [producer.send(topic, value=value, partition=0) for value in values]:
        sent.get(timeout=_TIMEOUT_S)
    producer.close()


def _read(servers: str, topic: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=servers, group_id=None, consumer_timeout_ms=_TIMEOUT_S * 1000)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    values = [record.value for _, record in zip(range(count), consumer, strict=False)]
    consumer.close()
    return values


def test_a_killed_kafka_comes_back_on_the_same_port_with_its_records(own: KafkaServer) -> None:
    # given
    _create(own.servers, "kept")
    clicks = [b"%d" % number for number in range(100)]
    _produce(own.servers, "kept", clicks)
    servers, pid = own.servers, own.pid
    # when
    own.kill()
    own.start()
    # then
    assert own.servers == servers
    assert own.pid != pid
    assert _read(servers, "kept", 100) == clicks


def test_a_stopped_kafka_comes_back_with_its_records(own: KafkaServer) -> None:
    _create(own.servers, "closed")
    _produce(own.servers, "closed", [b"click"])
    own.stop()
    own.start()
    assert _read(own.servers, "closed", 1) == [b"click"]


def test_a_frozen_kafka_takes_a_record_only_when_it_thaws(own: KafkaServer) -> None:
    # given a producer that is connected
    _create(own.servers, "frozen")
    _produce(own.servers, "frozen", [b"before"])
    own.pause()
    # when it produces
    producing = threading.Thread(target=_produce, args=(own.servers, "frozen", [b"during"]))
    producing.start()
    producing.join(timeout=1.0)
    assert producing.is_alive()
    own.resume()
    # then
    producing.join(timeout=_TIMEOUT_S)
    assert _read(own.servers, "frozen", 2) == [b"before", b"during"]


def test_nothing_creates_a_topic_by_touching_it(own: KafkaServer) -> None:
    consumer = KafkaConsumer(bootstrap_servers=own.servers, group_id=None)
    assert not consumer.partitions_for_topic("untold")
    assert "untold" not in consumer.topics()
    consumer.close()


@pytest.mark.chaos
def test_a_kafka_that_cannot_start_says_why(guardian: Guardian, own: KafkaServer) -> None:
    # given a log directory that a running Kafka holds
    assert ping.kafka_is(own.port, own._cluster_id)
    jars = kafka_jars.fetch(os.environ)
    command = ["java", "-cp", f"{jars}/*", "kafka.Kafka", str(own._properties)]
    # when
    second = guardian.start("kafka-second", command)
    # then
    with pytest.raises(ServiceError, match="kafka-second ended at its start"):
        second.await_ready(lambda: False, _TIMEOUT_S)


def test_another_cluster_on_the_port_is_not_taken_for_ours(own: KafkaServer) -> None:
    assert ping.kafka_is(own.port, own._cluster_id)
    assert not ping.kafka_is(own.port, "another-cluster")


def test_jars_are_fetched_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # given a fetch that is marked as complete
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    folder = kafka_jars.cached(environment)
    folder.mkdir(parents=True)
    (folder / ".complete").touch()
    # when there is no mvn at all
    monkeypatch.setattr(subprocess, "run", None)
    # then
    assert kafka_jars.fetch(environment) == folder


def test_each_test_has_topics_and_a_group_of_its_own(settings: Settings, request: pytest.FixtureRequest) -> None:
    assert settings.topic_prefix.startswith("t")
    assert settings.topic_prefix.removeprefix("t").removesuffix(".") == settings.group.removeprefix("g")
    assert settings.partitions == 4


def test_what_is_missing_is_skipped_at_home_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    embedded = Kafka("localhost:1", Rung.EMBEDDED, frozenset())
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs a Kafka that is append_time; the embedded one is not"):
        embedded.require("append_time")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="with CI=true nothing may be missing"):
        embedded.require("append_time")
    Kafka("localhost:1", Rung.REAL, frozenset(Ability)).require(*Ability)
