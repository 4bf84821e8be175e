"""The dead-letter topic as it is read: from its beginning to its present end, and how far all has been sent back.

The group's committed offset is that mark: every letter below it was sent back, whatever Redis still knows. So the
group's lag, which Kafka's own tools show, is at most what is left to be done.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import kafka.errors
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from nextclick.progress import bar
from schemas import letter as wire
from schemas.errors import DataError, KafkaError
from schemas.letter import Letter
from schemas.settings import Settings
from schemas.topics import Topics
from serving.state.access import access

#: How long the broker may have nothing for us before the end is reached.
_SILENCE_S: Final = 15.0
_ASK_MS: Final = 10_000
_POLL_MS: Final = 200
#: A topic of letters takes batches of 2 MiB.
_FETCH_MAX_BYTES: Final = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Found:
    """One record of the topic; without a letter it is none of ours."""

    letter: Letter | None
    partition: int
    offset: int
    #: When it was written down.
    time: int

    @property
    def happened(self) -> int:
        """When its record came to Kafka; where nobody knows, when it was found to be none."""
        return self.letter.source.time if self.letter and self.letter.source.time > 0 else self.time


class Letterbox:
    """Open within its block; every call is bounded and raises KafkaError."""

    def __init__(self, settings: Settings) -> None:
        self.topic = Topics.named(settings.topic_prefix).dead
        self._servers = settings.kafka
        with self._ours():
            self._consumer = KafkaConsumer(
                **access(settings),
                bootstrap_timeout_ms=_ASK_MS,
                group_id=f"{settings.group}.dead",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                fetch_max_wait_ms=settings.fetch_wait_ms,
                max_partition_fetch_bytes=_FETCH_MAX_BYTES,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )

    def __enter__(self) -> Self:
        with self._ours():
            partitions = sorted(self._consumer.partitions_for_topic(self.topic) or ())
            self._lanes = [TopicPartition(self.topic, partition) for partition in partitions]
            self._consumer.assign(self._lanes)
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close(autocommit=False)

    def marks(self) -> dict[int, int]:
        """Partition -> the offset below which every letter was sent back."""
        with self._ours():
            committed = {lane.partition: self._consumer.committed(lane, timeout_ms=_ASK_MS) for lane in self._lanes}
        return {partition: offset or 0 for partition, offset in committed.items()}

    def commit(self, marks: Mapping[int, int]) -> None:
        offsets = {
            TopicPartition(self.topic, partition): OffsetAndMetadata(offset, "", -1)
            for partition, offset in marks.items()
        }
        with self._ours():
            self._consumer.commit(offsets, timeout_ms=_ASK_MS)

    def batches(self) -> Iterator[list[Found]]:
        """Everything up to the end as it is now, a few hundred at a time, by partition in the order of offsets."""
        with self._ours(), bar("letters", "read") as advance:
            ends = self._consumer.end_offsets(self._lanes)
            starts = self._consumer.beginning_offsets(self._lanes)
            self._consumer.seek_to_beginning(*self._lanes)
            total, heard_s = sum(ends.values()) - sum(starts.values()), time.monotonic()
            while any(self._consumer.position(lane, timeout_ms=_ASK_MS) < end for lane, end in ends.items()):
                polled = self._consumer.poll(timeout_ms=_POLL_MS)
                for records in polled.values():
                    yield [_found(record) for record in records]
                    advance(len(records), total)
                if polled:
                    heard_s = time.monotonic()
                elif time.monotonic() - heard_s > _SILENCE_S:
                    raise KafkaError(
                        f"Kafka at {self._servers} sent nothing of {self.topic} for {_SILENCE_S:g} s, and its end is "
                        "not reached; `nextclick doctor` says what is wrong"
                    )

    @contextmanager
    def _ours(self) -> Iterator[None]:
        try:
            yield
        except (kafka.errors.KafkaError, OSError) as error:
            raise KafkaError(
                f"Kafka at {self._servers} does not let {self.topic} be read: {error}; "
                "`nextclick doctor` says what is wrong"
            ) from error


def _found(record: Any) -> Found:
    try:
        letter = wire.read(record.key, record.value, record.headers)
    except DataError:
        letter = None
    return Found(letter, record.partition, record.offset, record.timestamp)
