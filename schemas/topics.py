"""The topics: their names, and the settings `nextclick topics create` declares them with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from schemas.settings import Settings

_MIB: Final = 1024 * 1024
_HOUR_MS: Final = 3_600_000

#: Header of a record with a null value that asks to erase the session of its key, or the profile of that user.
OP_HEADER: Final = "nextclick-op"
OP_ERASE: Final = b"erase"
OP_ERASE_USER: Final = b"erase-user"

#: Headers of a dead letter, all UTF-8, numbers in decimal.
DEAD_REASON: Final = "nextclick-reason"
DEAD_TOPIC: Final = "nextclick-topic"
DEAD_PARTITION: Final = "nextclick-partition"
DEAD_OFFSET: Final = "nextclick-offset"
DEAD_TIME: Final = "nextclick-time"
#: Only where key, value or headers could not be kept whole: how many bytes key and value had, or null.
DEAD_CUT: Final = "nextclick-cut"


@dataclass(frozen=True, slots=True)
class Topics:
    """The four names, prefix included."""

    clickstream: str
    catalog: str
    recommendations: str
    dead: str

    @classmethod
    def named(cls, prefix: str) -> Topics:
        return cls(*(prefix + name for name in ("clickstream", "catalog", "recommendations", "clickstream.dead")))


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it is declared."""

    name: str
    partitions: int
    replication: int
    config: dict[str, str] = field(hash=False)


def specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """What must exist before a worker starts; nothing creates a topic by touching it."""
    names = Topics.named(settings.topic_prefix)
    week = str(168 * _HOUR_MS)

    def spec(name: str, partitions: int, **config: str) -> TopicSpec:
        dotted = {key.replace("_", "."): value for key, value in config.items()}
        return TopicSpec(name, partitions, settings.replication, dotted)

    return (
        # max.message.bytes limits a producer's whole batch, not one message: 64 KiB here would refuse the
        # batches of default producers. The decoder enforces 64 KiB an event.
        spec(
            names.clickstream,
            settings.partitions,
            cleanup_policy="delete",
            message_timestamp_type="LogAppendTime",
            retention_ms=str(settings.clickstream_hours * _HOUR_MS),
            max_message_bytes=str(_MIB),
        ),
        # That an item is deleted must be known for as long as any bundle that has it may rank: without that word it
        # would be an item of which the catalogue says nothing. Compacted daily, since everybody reads it whole.
        spec(
            names.catalog,
            settings.partitions,
            cleanup_policy="compact",
            delete_retention_ms=str(365 * 24 * _HOUR_MS),
            segment_ms=str(24 * _HOUR_MS),
            max_message_bytes=str(_MIB),
        ),
        # A recommendation is worth nothing once its session is over; a day is for late readers.
        spec(
            names.recommendations,
            settings.partitions,
            cleanup_policy="delete",
            retention_ms=str(24 * _HOUR_MS),
            max_message_bytes=str(_MIB),
        ),
        spec(names.dead, 1, cleanup_policy="delete", retention_ms=week, max_message_bytes=str(2 * _MIB)),
    )
