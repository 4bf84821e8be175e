"""Faust's way to Kafka, where the worker needs it otherwise: fair between partitions, at once where nothing waits, and
read on from where the sessions are, not from where the group is.
"""

from __future__ import annotations

import asyncio
import inspect
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias, cast

import faust
from aiokafka import AIOKafkaConsumer
from faust.auth import Credentials, SASLCredentials, SSLCredentials
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP
from mode import Seconds
from mode.services import WaitResults

from schemas.settings import Settings
from serving.state.access import access
from stream.eager import Eager
from stream.intake import Delivery
from stream.progress import Heard, Progress

#: What a fetch brings, by partition.
_Records: TypeAlias = Mapping[TP, list[Any]]
#: Records that Faust holds for the agent: few, because after a crash of ours they are delivered again.
_STREAM_BUFFER: Final = 1_024
#: A poll that brings more keeps the event loop from its heartbeats.
_POLL_MAX_RECORDS: Final = 500


class Assigned(Protocol):
    """Whoever must know which partitions are the worker's."""

    def assign(self, partitions: Sequence[int]) -> None: ...

    async def begin(self, app: faust.App, generation: int, committed: Mapping[int, int | None]) -> dict[int, int]:
        """By partition of ours, the offset to read next."""

    def revoke(self) -> None: ...


class _ConsumerThread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Transport) -> AIOKafkaConsumer:
        """Faust's consumer, whose fetch wait it fixes at 1.5 s."""
        consumer = super()._create_worker_consumer(transport)
        if isinstance(transport, WorkerTransport):
            consumer._fetch_max_wait_ms = transport.fetch_wait_ms  # noqa: SLF001 - read at its start; no other way in
        return consumer

    async def getmany(self, active_partitions: set[TP] | None, timeout: float) -> _Records:
        """Asked of the client's thread directly. Faust's queue of calls between the two costs more than a fetch."""
        consumer = self._ensure_consumer()
        fetch = self._fetch_records(
            consumer, cast(set[TP], active_partitions), timeout=timeout, max_records=_POLL_MAX_RECORDS
        )
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(fetch, self.thread_loop))

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> _Records:
        """Each partition in its turn. By itself the client hands over all that it holds of one before it begins
        the next, and a long backlog on some would look like a standstill on the others.
        """
        records = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        held = consumer._fetcher._records  # noqa: SLF001 - in the order in which it is handed over
        for partition in records:
            if partition in held:
                held.move_to_end(partition)
        return records


class WorkerConsumer(Consumer):
    """Faust's, told where to read on. A position sought when partitions are assigned is lost: Faust's table
    recovery, which it runs without tables too, seeks to the committed offsets after that, by `perform_seek`.
    """

    _assigned = False
    #: Each of our partitions is read on from where it must be.
    _begun = False

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._assigned = self._begun = False
        self._parts.revoke()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._assigned = True
        self._parts.assign(sorted(tp.partition for tp in assigned))
        await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        await super().perform_seek()
        # A fetch that a rebalance overtook seeks as well, before it is known which partitions will be ours.
        if self._assigned:
            mine = {tp.partition: tp for tp in self.assignment()}
            committed = {partition: self._committed_offset[tp] for partition, tp in mine.items()}
            app = cast(faust.App, self.app)
            starts = await self._parts.begin(app, app.consumer_generation_id, committed)
            await self.seek_wait({mine[partition]: offset for partition, offset in starts.items()})
            self._begun = True

    def _new_offset(self, tp: TP) -> int | None:
        """What to commit. The loop acknowledges in the order of offsets, and past a hole only once it knows it for
        one, so all before the last is done. Faust's own reckoning comes one hole further with each commit, and a
        topic that is written in transactions has one behind every few records.
        """
        acked, self._acked[tp] = self._acked[tp], []
        self._acked_index[tp].clear()
        return max(acked) + 1 if acked else None

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Faust would keep each for that reckoning."""

    @property
    def _parts(self) -> Assigned:
        return cast(WorkerTransport, self.transport).parts

    async def sleep(self, n: Seconds) -> None:
        """Before each fetch Faust lets others have their turn, by way of a task that is cancelled at once."""
        await (super().sleep(n) if n else asyncio.sleep(0))

    async def wait_first(self, *waited: Any, **limits: Any) -> WaitResults:
        """Nearly always it is a record that is to be taken, unless a rebalance forbids it meanwhile.

        Faust makes four tasks of that, which cost a worker more than anything else it does with the record. The
        stream takes it at once, unless it is full: so it is asked first. Where it has to wait, Faust waits as before.
        """
        first, *others = waited
        if not inspect.iscoroutine(first) or self.suspend_flow.is_set() or self.should_stop:
            return await super().wait_first(*waited, **limits)
        taking = Eager(first)
        if not taking.is_done:
            return await super().wait_first(taking, *others, **limits)
        for other in others:
            other.close()
        return WaitResults([taking], [taking.result], stopped=False)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> _Records:
        found = await super()._getmany(active_partitions, timeout)
        # Who had no partitions before is not stopped while it is given some, and the client hands over at once what
        # follows the committed offsets. What is read on from is sought after that, so all of it comes again.
        if not self._begun:
            return {}
        if isinstance(self.transport, WorkerTransport):
            for tp, records in found.items():
                self.transport.progress.read(tp.partition, records[0].offset, records[-1].offset, records[0].timestamp)
        return found

    def heard(self) -> dict[int, Heard]:
        client = self._thread._consumer  # noqa: SLF001 - asked directly, since the thread it lives in may hang
        assignment = client and client._subscription.subscription and client._subscription.subscription.assignment  # noqa: SLF001
        if not assignment:
            return {}
        states = {tp: assignment.state_value(tp) for tp in assignment.tps}
        return {
            tp.partition: Heard(state._position, state.highwater, state.timestamp, self._committed_offset.get(tp))  # noqa: SLF001
            for tp, state in states.items()
        }


class WorkerTransport(Transport):
    Consumer = WorkerConsumer
    fetch_wait_ms: int
    progress: Progress
    parts: Assigned
    consumer: WorkerConsumer | None = None

    def create_consumer(self, callback: Any, **options: Any) -> Any:
        self.consumer = cast(WorkerConsumer, super().create_consumer(callback, **options))
        return self.consumer

    def heard(self) -> dict[int, Heard]:
        return self.consumer.heard() if self.consumer else {}

    def loops(self) -> list[asyncio.AbstractEventLoop]:
        """Ours, and that of the thread which the client lives in."""
        return [self.loop, self.consumer._thread.thread_loop] if self.consumer else [self.loop]  # noqa: SLF001


def configured(settings: Settings, progress: Progress) -> tuple[faust.App, WorkerTransport]:
    app = faust.App(
        settings.group,
        broker=[f"kafka://{server}" for server in settings.kafka.split(",")],
        broker_credentials=_credentials(settings),
        store="memory://",
        datadir=tempfile.gettempdir(),  # nothing is written there: there are no tables
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.group_instance or None,
        broker_commit_interval=settings.commit_interval_ms / 1000,
        broker_session_timeout=settings.session_timeout_ms / 1000,
        broker_heartbeat_interval=settings.session_timeout_ms / 4000,
        broker_max_poll_records=_POLL_MAX_RECORDS,
        stream_buffer_maxsize=_STREAM_BUFFER,
        stream_wait_empty=False,
        worker_redirect_stdouts=False,
    )
    app.transport = transport = WorkerTransport(app.conf.broker_consumer, app)
    transport.fetch_wait_ms, transport.progress = settings.fetch_wait_ms, progress
    return app, transport


def _credentials(settings: Settings) -> Credentials | None:
    asking = access(settings)
    if asking["sasl_mechanism"] is not None:
        return SASLCredentials(
            username=asking["sasl_plain_username"],
            password=asking["sasl_plain_password"],
            ssl_context=asking["ssl_context"],
            mechanism=asking["sasl_mechanism"],
        )
    return SSLCredentials(asking["ssl_context"]) if asking["ssl_context"] is not None else None


def delivery(event: faust.EventT[bytes], progress: Progress) -> Delivery:
    message = event.message
    # Typed as always there; a producer may have set none.
    seconds = cast(float | None, message.timestamp)
    record_time = -1 if seconds is None else round(seconds * 1000)

    def acknowledge() -> None:
        event.ack()
        progress.acknowledged(message.partition, message.offset, record_time, now_ms())

    return Delivery(
        key=message.key,
        value=message.value,
        headers=cast(Sequence[tuple[str, bytes]], message.headers or ()),
        partition=message.partition,
        offset=message.offset,
        record_time=record_time,
        ack=acknowledge,
        generation=cast(int, message.generation_id),
    )


def now_ms() -> int:
    return time.time_ns() // 1_000_000
