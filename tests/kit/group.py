"""How far a consumer group has come on a topic, seen from outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import KafkaConsumer, TopicPartition

from schemas.settings import Settings
from schemas.topics import Topics


class Group:
    """The workers' group on the clickstream. It looks and never joins."""

    def __init__(self, settings: Settings) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=settings.kafka, group_id=settings.group, enable_auto_commit=False,
            reconnect_backoff_max_ms=500,
        )  # fmt: skip
        name = Topics.named(settings.topic_prefix).clickstream
        self._lanes = [TopicPartition(name, number) for number in range(settings.partitions)]

    def committed(self) -> int:
        """How many records the group is past."""
        return sum(self._consumer.committed(lane) or 0 for lane in self._lanes)

    def lag(self) -> int:
        """How many it is not past. The ends are asked for last, so that it is never less."""
        committed = self.committed()
        ends: dict[TopicPartition, int] = self._consumer.end_offsets(self._lanes)
        return sum(ends.values()) - committed

    def close(self) -> None:
        self._consumer.close()


@contextmanager
def watched(settings: Settings) -> Iterator[Group]:
    group = Group(settings)
    try:
        yield group
    finally:
        group.close()
