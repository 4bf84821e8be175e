"""Declares the topics, and reads what of them others build on: are they there, and which epoch is it?

Synchronous, on kafka-python: every call connects, asks and closes. It waits at most `timeout_s` for a
broker to appear and as long again for each answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict
from uuid import UUID

import kafka.errors
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec

from schemas.errors import KafkaError
from schemas.settings import Settings
from schemas.topics import TopicSpec, specs
from serving.state import broker

_NO_ERROR: Final = 0
_REFUSED: Final = 29
_TOPIC_ALREADY_EXISTS: Final = 36
_UUID_BY_CLOCK: Final = 7


@dataclass(frozen=True, slots=True)
class Declared:
    """What `create` did about one topic. A kept one is never altered; `differences` says how it is not as declared."""

    name: str
    created: bool
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """One of our topics; without partitions it is not there, or refused to us."""

    name: str
    partitions: int
    differences: tuple[str, ...] = ()
    refused: bool = False


def create(settings: Settings, timeout_s: float) -> list[Declared]:
    """Every topic exists afterwards, with a leader for each partition."""
    wanted = specs(settings)
    with broker.asked(settings, timeout_s) as admin:
        created = _create(settings, admin, wanted, timeout_s)
        _described(settings, admin, [spec.name for spec in wanted])
        admin.wait_for_topics([spec.name for spec in wanted], timeout_ms=timeout_s * 1000)
        kept = [spec for spec in wanted if spec.name not in created]
        found = _differences(admin, kept)
    return [Declared(spec.name, spec.name in created, found.get(spec.name, ())) for spec in wanted]


def found(settings: Settings, timeout_s: float) -> list[Found]:
    """Each topic of the installation, in the order they are declared."""
    wanted = specs(settings)
    with broker.asked(settings, timeout_s) as admin:
        described = admin.describe_topics([spec.name for spec in wanted])
        partitions = {
            topic["name"]: len(topic["partitions"]) for topic in described if topic["error_code"] == _NO_ERROR
        }
        refused = {topic["name"] for topic in described if topic["error_code"] == _REFUSED}
        differences = _differences(admin, [spec for spec in wanted if spec.name in partitions])
    return [
        Found(spec.name, partitions.get(spec.name, 0), differences.get(spec.name, ()), spec.name in refused)
        for spec in wanted
    ]


def ends(settings: Settings, topic: str, partitions: Sequence[int], timeout_s: float) -> dict[int, int]:
    """The offset that each partition's next record will have."""
    lanes = [TopicPartition(topic, number) for number in partitions]
    with broker.asked(settings, timeout_s) as admin:
        found = admin.list_partition_offsets(dict.fromkeys(lanes, OffsetSpec.LATEST)) if lanes else {}
    return {lane.partition: answer.offset for lane, answer in found.items()}


def missing(settings: Settings, timeout_s: float, wanted: Collection[str] | None = None) -> list[str]:
    """The names of the topics that `create` would create; of those that are wanted, where not all are."""
    names = [spec.name for spec in specs(settings) if wanted is None or spec.name in wanted]
    with broker.asked(settings, timeout_s) as admin:
        there = {topic["name"] for topic in _described(settings, admin, names) if topic["error_code"] == _NO_ERROR}
    return [name for name in names if name not in there]


def epoch(settings: Settings, topic: str, timeout_s: float) -> str:
    """Eight hex digits that differ when the topic is deleted and created anew: offsets begin at 0 again then.

    They are the first of Kafka's topic id, which is random. The embedded broker's ids begin with a clock
    that takes 65 s to change these digits, so of such an id they are the last.
    """
    if settings.topic_epoch:
        return settings.topic_epoch
    with broker.asked(settings, timeout_s) as admin:
        (found,) = _described(settings, admin, [topic])
    if found["error_code"] != _NO_ERROR or not found.get("topic_id"):
        raise KafkaError(
            f"Kafka at {settings.kafka} tells no id of the topic {topic}; run `nextclick topics create`, "
            "or set NEXTCLICK_TOPIC_EPOCH if this Kafka is older than 2.8"
        )
    return _digits(UUID(found["topic_id"]))


def _described(settings: Settings, admin: KafkaAdminClient, names: Sequence[str]) -> list[dict[str, Any]]:
    """KafkaError when one of them is not for us to see."""
    described: list[dict[str, Any]] = admin.describe_topics(list(names)) if names else []
    refused = [topic["name"] for topic in described if topic["error_code"] == _REFUSED]
    if refused:
        raise broker.refused(settings, f"see the topic {', '.join(refused)}", "Describe on it")
    return described


def _digits(topic_id: UUID) -> str:
    return topic_id.hex[-8:] if topic_id.version == _UUID_BY_CLOCK else topic_id.hex[:8]


class _Plan(TypedDict):
    num_partitions: int
    replication_factor: int
    configs: dict[str, str]


def _create(settings: Settings, admin: KafkaAdminClient, wanted: tuple[TopicSpec, ...], timeout_s: float) -> set[str]:
    """The names of those that did not exist."""
    plan = {
        spec.name: _Plan(num_partitions=spec.partitions, replication_factor=spec.replication, configs=spec.config)
        for spec in wanted
    }
    answer = admin.create_topics(plan, timeout_ms=int(timeout_s * 1000), raise_errors=False)
    created = set()
    for topic in answer["topics"]:
        if topic["error_code"] == _NO_ERROR:
            created.add(topic["name"])
        elif topic["error_code"] == _REFUSED:
            raise broker.refused(settings, f"create the topic {topic['name']}", "Create and Describe on it")
        elif topic["error_code"] != _TOPIC_ALREADY_EXISTS:
            reason = kafka.errors.for_code(topic["error_code"]).__name__
            raise KafkaError(
                f"Kafka refuses to create the topic {topic['name']}: {reason}: {topic['error_message']}; change the "
                "setting it names (NEXTCLICK_PARTITIONS, NEXTCLICK_REPLICATION)"
            )
    return created


def _differences(admin: KafkaAdminClient, kept: list[TopicSpec]) -> dict[str, tuple[str, ...]]:
    if not kept:
        return {}
    names = [spec.name for spec in kept]
    shapes = {topic["name"]: topic["partitions"] for topic in admin.describe_topics(names)}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs = admin.describe_configs(resources, config_filter="all")["topic"]
    return {spec.name: tuple(_differing(spec, shapes[spec.name], configs[spec.name])) for spec in kept}


def _differing(spec: TopicSpec, partitions: list[dict[str, Any]], config: dict[str, dict[str, Any]]) -> Iterator[str]:
    if len(partitions) != spec.partitions:
        yield f"partitions is {len(partitions)}, declared is {spec.partitions}"
    replicas = min((len(partition["replica_nodes"]) for partition in partitions), default=0)
    if replicas != spec.replication:
        yield f"replication is {replicas}, declared is {spec.replication}"
    # Of a topic whose settings are not for us to see none are told.
    for key, value in spec.config.items() if config else ():
        actual = config.get(key, {}).get("value")
        if actual != value:
            yield f"{key} is {actual}, declared is {value}"
