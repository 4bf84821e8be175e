"""Topics are declared once, with their settings, and tell their epoch."""

from __future__ import annotations

import re
import secrets
import socket
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from nextclick.sandbox import Sandbox
from schemas.errors import KafkaError
from schemas.settings import Settings
from schemas.topics import Topics, specs
from serving.state import topics

_TIMEOUT_S = 10.0
_LOG_APPEND_TIME = 1


def _config(settings: Settings, name: str) -> dict[str, str]:
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka)
    resources = [ConfigResource(ConfigResourceType.TOPIC, name)]
    found: dict[str, dict[str, Any]] = admin.describe_configs(resources, config_filter="all")["topic"][name]
    admin.close()
    return {key: entry["value"] for key, entry in found.items()}


def _delete(settings: Settings, name: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka)
    admin.delete_topics([name])
    # Kafka answers before its own metadata forget the topic.
    deadline = time.monotonic() + _TIMEOUT_S
    while admin.describe_topics([name])[0]["error_code"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    admin.close()


@pytest.fixture(params=["kafka", "embedded"])
def anywhere(request: pytest.FixtureRequest, sandbox: Sandbox) -> Settings:
    """Settings for the run's own Kafka and, whatever that is, for the embedded broker."""
    if request.param == "kafka":
        settings: Settings = request.getfixturevalue("settings")
        return settings
    prefix = f"t{secrets.token_hex(4)}."
    return Settings.read({"NEXTCLICK_KAFKA": sandbox.kafka, "NEXTCLICK_TOPIC_PREFIX": prefix}, {})


def test_create_makes_every_declared_topic_and_nothing_is_missing(anywhere: Settings) -> None:
    # given
    names = [spec.name for spec in specs(anywhere)]
    assert topics.missing(anywhere, _TIMEOUT_S) == names
    # when
    declared = topics.create(anywhere, _TIMEOUT_S)
    # then
    assert declared == [topics.Declared(name, created=True) for name in names]
    assert topics.missing(anywhere, _TIMEOUT_S) == []


def test_topics_have_the_settings_they_are_declared_with(settings: Settings) -> None:
    topics.create(settings, _TIMEOUT_S)
    for spec in specs(settings):
        config = _config(settings, spec.name)
        assert {key: config[key] for key in spec.config} == spec.config


def test_the_clickstream_is_stamped_by_the_broker_kept_a_week_and_takes_a_mebibyte(settings: Settings) -> None:
    topics.create(settings, _TIMEOUT_S)
    config = _config(settings, Topics.named(settings.topic_prefix).clickstream)
    assert config["message.timestamp.type"] == "LogAppendTime"
    assert config["retention.ms"] == "604800000"
    assert config["max.message.bytes"] == "1048576"
    assert _config(settings, Topics.named(settings.topic_prefix).catalog)["cleanup.policy"] == "compact"


def test_creating_twice_changes_nothing(anywhere: Settings) -> None:
    # given
    first = topics.create(anywhere, _TIMEOUT_S)
    epochs = [topics.epoch(anywhere, each.name, _TIMEOUT_S) for each in first]
    # when
    second = topics.create(anywhere, _TIMEOUT_S)
    # then
    assert second == [topics.Declared(each.name, created=False) for each in first]
    assert [topics.epoch(anywhere, each.name, _TIMEOUT_S) for each in first] == epochs


def test_a_topic_that_is_not_as_declared_is_kept_and_its_differences_named(anywhere: Settings) -> None:
    # given
    before = topics.create(anywhere, _TIMEOUT_S)
    # when others are declared
    other = replace(anywhere, partitions=anywhere.partitions + 1, clickstream_hours=1)
    clickstream, catalog, recommendations, dead = topics.create(other, _TIMEOUT_S)
    # then
    partitions = f"partitions is {anywhere.partitions}, declared is {other.partitions}"
    assert clickstream.differences == (partitions, "retention.ms is 604800000, declared is 3600000")
    assert catalog.differences == (partitions,)
    assert recommendations.differences == (partitions,)
    assert dead.differences == ()
    assert [each.name for each in before] == [clickstream.name, catalog.name, recommendations.name, dead.name]


def test_only_what_is_absent_is_created(anywhere: Settings) -> None:
    # given
    topics.create(anywhere, _TIMEOUT_S)
    names = Topics.named(anywhere.topic_prefix)
    _delete(anywhere, names.catalog)
    assert topics.missing(anywhere, _TIMEOUT_S) == [names.catalog]
    # when
    declared = topics.create(anywhere, _TIMEOUT_S)
    # then
    assert [each.name for each in declared if each.created] == [names.catalog]


@pytest.mark.needs("strict")
def test_what_the_broker_refuses_is_told_with_the_setting_to_change(settings: Settings) -> None:
    with pytest.raises(KafkaError, match=r"(?s)refuses to create.*ReplicationFactor.*NEXTCLICK_REPLICATION"):
        topics.create(replace(settings, replication=7), _TIMEOUT_S)


def test_the_epoch_is_eight_hex_digits_and_changes_when_the_topic_is_created_anew(anywhere: Settings) -> None:
    # given
    topics.create(anywhere, _TIMEOUT_S)
    name = Topics.named(anywhere.topic_prefix).clickstream
    before = topics.epoch(anywhere, name, _TIMEOUT_S)
    assert re.fullmatch("[0-9a-f]{8}", before)
    assert topics.epoch(anywhere, name, _TIMEOUT_S) == before
    # when
    _delete(anywhere, name)
    topics.create(anywhere, _TIMEOUT_S)
    # then
    assert topics.epoch(anywhere, name, _TIMEOUT_S) != before


def test_the_epoch_is_how_kafkas_topic_id_begins(settings: Settings) -> None:
    topics.create(settings, _TIMEOUT_S)
    name = Topics.named(settings.topic_prefix).clickstream
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka)
    (described,) = admin.describe_topics([name])
    admin.close()
    if described["topic_id"][14] == "4":  # random, as Kafka's are
        assert described["topic_id"].startswith(topics.epoch(settings, name, _TIMEOUT_S))


def test_a_set_epoch_overrides_what_kafka_says() -> None:
    settings = Settings.read({"NEXTCLICK_TOPIC_EPOCH": "0badcafe", "NEXTCLICK_KAFKA": "localhost:1"}, {})
    assert topics.epoch(settings, "clickstream", _TIMEOUT_S) == "0badcafe"


def test_the_epoch_of_an_absent_topic_says_how_to_create_it(settings: Settings) -> None:
    with pytest.raises(KafkaError, match="nextclick topics create"):
        topics.epoch(settings, Topics.named(settings.topic_prefix).clickstream, _TIMEOUT_S)


def test_the_ends_of_a_log_are_the_offsets_of_its_next_records(anywhere: Settings) -> None:
    topics.create(anywhere, _TIMEOUT_S)
    topic = Topics.named(anywhere.topic_prefix).clickstream
    producer = KafkaProducer(bootstrap_servers=anywhere.kafka, acks="all")
    for partition in (0, 2, 2):
        producer.send(topic, b"x", partition=partition).get(_TIMEOUT_S)
    producer.close(_TIMEOUT_S)

    assert topics.ends(anywhere, topic, [0, 1, 2], _TIMEOUT_S) == {0: 1, 1: 0, 2: 2}
    assert topics.ends(anywhere, topic, [], _TIMEOUT_S) == {}


@pytest.mark.parametrize(
    ("listening", "told"),
    [(False, "does not answer: 127.0.0.1 is there, and refuses"), (True, "does not answer .* within 0.3 s")],
    ids=["nobody listens", "nobody answers"],
)
def test_an_unreachable_broker_is_told_within_the_bound_and_leaves_no_thread(listening: bool, told: str) -> None:
    with socket.socket() as held:
        # given an address where nobody listens, or a listener that says nothing
        held.bind(("127.0.0.1", 0))
        if listening:
            held.listen()
        address = f"127.0.0.1:{held.getsockname()[1]}"
        settings = Settings.read({"NEXTCLICK_KAFKA": address}, {})
        before = set(threading.enumerate())
        # when, then
        with pytest.raises(KafkaError, match=f"{address} {told}.*NEXTCLICK_KAFKA"):
            topics.create(settings, timeout_s=0.3)
        assert set(threading.enumerate()) <= before, "others may end meanwhile, and none begins"


@pytest.mark.parametrize("beside", ["", ",127.0.0.1:{port}"], ids=["alone", "beside one that refuses"])
def test_a_host_that_has_no_address_is_told_apart_from_one_that_refuses(beside: str) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        named = "kafka.invalid:9092" + beside.format(port=held.getsockname()[1])
        settings = Settings.read({"NEXTCLICK_KAFKA": named}, {})
        with pytest.raises(KafkaError, match=r"no address is known for the host kafka\.invalid .*NEXTCLICK_KAFKA"):
            topics.create(settings, timeout_s=1)


def test_a_broker_that_refuses_is_nothing_to_tell_of_while_another_may_be_there() -> None:
    with socket.socket() as held, socket.socket() as silent:
        held.bind(("127.0.0.1", 0))
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        named = ",".join(f"127.0.0.1:{each.getsockname()[1]}" for each in (held, silent))
        with pytest.raises(KafkaError, match=r"does not answer as it should within 0\.3 s"):
            topics.create(Settings.read({"NEXTCLICK_KAFKA": named}, {}), timeout_s=0.3)


def test_a_full_batch_far_above_64_kib_is_accepted(settings: Settings) -> None:
    # given a producer that fills batches of almost a mebibyte before it sends
    topics.create(settings, _TIMEOUT_S)
    topic = Topics.named(settings.topic_prefix).clickstream
    producer = KafkaProducer(bootstrap_servers=settings.kafka, batch_size=1_000_000, linger_ms=500)
    # when 950 clicks of a kilobyte go into one partition
    sent = [producer.send(topic, value=b"c" * 1000, key=b"s", partition=0) for _ in range(950)]
    producer.flush(timeout=_TIMEOUT_S)
    # then not one is refused
    assert [each.get(timeout=_TIMEOUT_S).offset for each in sent] == list(range(950))
    producer.close()


@pytest.mark.needs("append_time")
def test_the_broker_stamps_clicks_when_it_appends_them(settings: Settings) -> None:
    # given
    topics.create(settings, _TIMEOUT_S)
    topic = Topics.named(settings.topic_prefix).clickstream
    # when a producer claims that it is 1970
    producer = KafkaProducer(bootstrap_servers=settings.kafka)
    producer.send(topic, value=b"click", partition=0, timestamp_ms=1).get(timeout=_TIMEOUT_S)
    producer.close()
    # then the record has the broker's time
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka, group_id=None)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    (record,) = consumer.poll(timeout_ms=10_000)[partition]
    consumer.close()
    assert record.timestamp_type == _LOG_APPEND_TIME
    assert record.timestamp > 1_600_000_000_000
