"""Laws of the lists on their way out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from schemas.errors import KafkaError
from serving.state.producer import Outgoing
from stream.metrics import Metrics
from stream.outbox import Outbox, Parcel


def parcel(session: str, body: bytes) -> Parcel:
    return Parcel(session, Outgoing("recommendations", session.encode(), body), clicked_at=0)


class FailingOnce:
    """Away for the first call, during which something newer arrives."""

    def __init__(self, meanwhile: Sequence[Parcel]) -> None:
        self.meanwhile = meanwhile
        self.outbox: Outbox
        self.taken: list[bytes | None] = []
        self.calls = 0
        self.waited: list[bool] = []

    async def send(self, records: Sequence[Outgoing]) -> None:
        self.calls += 1
        self.waited.append(self.outbox.waits)
        if self.calls == 1:
            for each in self.meanwhile:
                self.outbox.put(each)
            raise KafkaError("away")
        self.taken += [record.value for record in records]


def box(producer: FailingOnce, capacity: int = 10) -> Outbox:
    producer.outbox = Outbox(producer, lambda: 0, Metrics(CollectorRegistry()), capacity)
    return producer.outbox


def test_what_came_while_its_older_list_was_refused_takes_its_place() -> None:
    producer, replaced = FailingOnce([parcel("a", b"newer")]), list[Parcel]()

    async def whole() -> list[str]:
        made, told = box(producer), asyncio.Queue[str]()
        made.put(parcel("a", b"older"))
        made.put(parcel("b", b"only"))

        def sent(parcels: Sequence[Parcel]) -> None:
            for each in parcels:
                told.put_nowait(each.session_id)

        task = asyncio.create_task(made.run(sent, replaced.append))
        async with asyncio.timeout(5):
            names = [await told.get(), await told.get()]
        assert (producer.waited, made.waits) == ([False, True], False), "it says so, until something is taken"
        task.cancel()
        return names

    assert sorted(asyncio.run(whole())) == ["a", "b"]
    assert replaced == [parcel("a", b"older")]
    assert sorted(body or b"" for body in producer.taken) == [b"newer", b"only"]


def test_the_outbox_is_bounded_and_says_whom_it_dropped() -> None:
    made = box(FailingOnce([]), capacity=2)

    assert made.put(parcel("a", b"1")) == (None, None)
    assert made.put(parcel("b", b"1")) == (None, None)
    assert made.put(parcel("a", b"2")) == (parcel("a", b"1"), None)
    assert made.put(parcel("c", b"1")) == (None, parcel("b", b"1"))
