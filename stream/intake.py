"""From what Kafka delivered to what the fold takes: records by session, and letters for the dead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from schemas.click import Click, EraseUser, Event, read
from schemas.errors import DataError
from schemas.profile import Trace, concerned
from schemas.session import Position, Record
from serving.state.profiles import Traces
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
    """A batch, read. Within a session the records keep the order of their partition, and so they do within a user."""

    works: list[Work] = field(default_factory=list)
    users: list[Traces] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)


def read_batch(deliveries: Sequence[Delivery], epoch: str) -> Intake:
    by_session: dict[str, list[Record]] = {}
    by_user: dict[str, list[Trace]] = {}
    letters: list[Letter] = []
    for delivery in deliveries:
        try:
            event = _read(delivery)
        except DataError as error:
            letters.append(Letter(delivery, error.reason, error.detail))
            continue
        position = Position(epoch, delivery.partition, delivery.offset)
        if not isinstance(event, EraseUser):
            by_session.setdefault(event.session_id, []).append(Record(event, delivery.record_time, position))
        if (user_id := concerned(event)) is not None:
            click = event if isinstance(event, Click) else None
            by_user.setdefault(user_id, []).append(Trace(click, delivery.record_time, position))
    works = [Work(session_id, records) for session_id, records in by_session.items()]
    return Intake(works, [Traces(user_id, records) for user_id, records in by_user.items()], letters)


def _read(delivery: Delivery) -> Event:
    event = read(delivery.key, delivery.value, delivery.headers)
    if delivery.record_time <= 0:
        raise DataError("no_time", "the record has no timestamp; produce with one, or let the topic stamp on append")
    return event
