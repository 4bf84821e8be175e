"""From what Kafka delivered to what the fold takes: records by session, and letters for the dead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from schemas.click import read
from schemas.errors import DataError
from schemas.session import Position, Record
from serving.state.sessions import Work


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record of the clickstream as Kafka handed it over, and the means to acknowledge it."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    partition: int
    offset: int
    #: Epoch ms; the broker's own clock where the topic stamps on append.
    record_time: int
    ack: Callable[[], object]
    #: Of the consumer group, under which it was fetched.
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Letter:
    """A delivery that no session can take, and why."""

    delivery: Delivery
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Intake:
    """A batch, read. Within a session the records keep the order of their partition."""

    works: list[Work] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)


def read_batch(deliveries: Sequence[Delivery], epoch: str) -> Intake:
    by_session: dict[str, list[Record]] = {}
    letters: list[Letter] = []
    for delivery in deliveries:
        try:
            record = _read(delivery, epoch)
        except DataError as error:
            letters.append(Letter(delivery, error.reason, error.detail))
        else:
            by_session.setdefault(record.event.session_id, []).append(record)
    return Intake([Work(session_id, records) for session_id, records in by_session.items()], letters)


def _read(delivery: Delivery, epoch: str) -> Record:
    event = read(delivery.key, delivery.value, delivery.headers)
    if delivery.record_time <= 0:
        raise DataError("no_time", "the record has no timestamp; produce with one, or let the topic stamp on append")
    return Record(event, delivery.record_time, Position(epoch, delivery.partition, delivery.offset))
