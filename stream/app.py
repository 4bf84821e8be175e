"""The worker's process: Faust brings the records, everything else is ours.

Faust is kept to what was measured to be safe: one agent, concurrency 1, raw bytes, no acknowledgement of
its own, no tables, no web server, and no exception that leaves the agent. What a failure of ours ends is
the process, at once: its partitions go to another worker, and what was not acknowledged is delivered again.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias, TypeVar, cast

import faust
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP
from mode.services import WaitResults
from prometheus_client import CollectorRegistry

from schemas.errors import NextclickError, RedisError
from schemas.settings import Settings
from schemas.topics import Topics
from serving.state import topics
from serving.state.following import Following
from serving.state.log import Log
from serving.state.producer import Producer
from serving.state.redis import RedisSessionStore
from stream import probes
from stream.course import Course
from stream.drafting import Surroundings
from stream.eager import Eager
from stream.epoch import Epoch
from stream.health import Health
from stream.intake import Delivery
from stream.loop import Loop
from stream.metrics import Metrics
from stream.outbox import Outbox
from stream.pace import Pace
from stream.patience import Patience
from stream.progress import Heard, Progress
from stream.ranking import Ranking
from stream.rewind import Rewind, safety_ms
from stream.soundings import Soundings
from stream.succession import Succession
from stream.vitals import Vitals
from stream.watchdog import Limits, Watchdog
from stream.watermarks import Watermarks

T = TypeVar("T")
log = logging.getLogger(__name__)

#: From SIGTERM to the end, whatever a library still waits for; its orchestrator would not wait much longer.
SHUTDOWN_MAX_S: Final = 10.0
#: Records that Faust holds for the agent: few, because after a crash of ours they are delivered again.
_STREAM_BUFFER: Final = 1_024
#: A poll that brings more keeps the event loop from its heartbeats.
_POLL_MAX_RECORDS: Final = 500
_SEND_DEADLINE_S: Final = 5.0
_ASK_S: Final = 10.0
#: To connect, and as long again for the answer.
_SOUND_S: Final = 2.5
_EXIT_FAILED: Final = 70


def run(settings: Settings) -> int:
    """Works until SIGTERM or Ctrl-C (0), or until something fails that another process may do better (70)."""
    _log_to_stderr(settings.log_level)
    metrics = Metrics(CollectorRegistry())
    health = Health(settings.ready_within_s, time.monotonic)
    if settings.metrics_port:
        probes.serve(settings.metrics_host, settings.metrics_port, metrics.registry, health)
    epoch = topics.epoch(settings, Topics.named(settings.topic_prefix).clickstream, _ASK_S)
    log.info("topic epoch %s, settings %s", epoch, settings.shown())
    app, parts = _build(settings, epoch, metrics, health)
    worker = _Worker(app, quiet=True, override_logging=False, redirect_stdouts=False)
    worker.spinner, worker.parts = None, parts
    # What is loaded stays: to look through it for garbage now and then would hold every click up for tens of ms.
    gc.freeze()
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        return _EXIT_FAILED if end.code else 0


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # Not even for debugging more than this: what libraries log of records are session ids and payloads.
    for library in ("faust", "mode", "aiokafka", "kafka"):
        logging.getLogger(library).setLevel(logging.WARNING)


#: What a fetch brings, by partition.
_Records: TypeAlias = Mapping[TP, list[Any]]


class _Worker(faust.Worker):
    """Faust's own worker, whose event loop and signals its consumer depends on, with a bound on its end."""

    parts: _Parts

    async def on_first_start(self) -> None:
        self.parts.watchdog.start(asyncio.get_running_loop())
        await super().on_first_start()

    def _on_sigusr1(self) -> None:
        """In place of Faust's own, which prints the values of variables, and with them whole clicks."""
        self.parts.watchdog.report()

    def _schedule_shutdown(self, signal: Any) -> None:
        if self._signal_stop_time:
            os._exit(0)  # asked twice: nothing is lost, what was not acknowledged is delivered again
        self._end_soon(0)
        super()._schedule_shutdown(signal)

    def on_worker_shutdown(self) -> None:
        """Also when Faust itself has failed; what it then waits for may never come."""
        if not self._signal_stop_time:
            self._end_soon(_EXIT_FAILED)
        super().on_worker_shutdown()

    def _end_soon(self, code: int) -> None:
        self.parts.health.draining.set()
        timer = threading.Timer(SHUTDOWN_MAX_S, os._exit, [code])
        timer.daemon = True
        timer.start()


class _ConsumerThread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Transport) -> AIOKafkaConsumer:
        """Faust's consumer, whose fetch wait it fixes at 1.5 s."""
        consumer = super()._create_worker_consumer(transport)
        if isinstance(transport, _Transport):
            consumer._fetch_max_wait_ms = transport.fetch_wait_ms  # noqa: SLF001 - read at its start; no other way in
        return consumer

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


class _Consumer(Consumer):
    """Faust's, told where to read on. A position sought when partitions are assigned is lost: Faust's table
    recovery, which it runs without tables too, seeks to the committed offsets after that, by `perform_seek`.
    """

    _assigned = False

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._assigned = False
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
    def _parts(self) -> _Parts:
        return cast(_Transport, self.transport).parts

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
        if isinstance(self.transport, _Transport):
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


class _Transport(Transport):
    Consumer = _Consumer
    fetch_wait_ms: int
    progress: Progress
    parts: _Parts
    consumer: _Consumer | None = None

    def create_consumer(self, callback: Any, **options: Any) -> Any:
        self.consumer = cast(_Consumer, super().create_consumer(callback, **options))
        return self.consumer

    def heard(self) -> dict[int, Heard]:
        return self.consumer.heard() if self.consumer else {}

    def loops(self) -> list[asyncio.AbstractEventLoop]:
        """Ours, and that of the thread which the client lives in."""
        return [self.loop, self.consumer._thread.thread_loop] if self.consumer else [self.loop]  # noqa: SLF001


def _build(settings: Settings, epoch: str, metrics: Metrics, health: Health) -> tuple[faust.App, _Parts]:
    names = Topics.named(settings.topic_prefix)
    progress = Progress()
    app, transport = _configured(settings, progress)
    queue: asyncio.Queue[Delivery] = asyncio.Queue(settings.queue_max)
    transport.parts = parts = _Parts(settings, epoch, metrics, queue, health, transport)

    @app.agent(app.topic(names.clickstream, key_serializer="raw", value_serializer="raw"), concurrency=1)
    async def clicks(stream: faust.StreamT[bytes]) -> None:
        async for event in cast(faust.Stream[bytes], stream).noack().events():
            await queue.put(_delivery(event, progress))

    async def work() -> None:
        await parts.start(app)

    app.task(work)

    @app.on_before_shutdown.connect(weak=False)
    async def leaving(app: faust.App, **_: object) -> None:
        await _or_exit(parts.leave())

    return app, parts


class _Parts:
    """Everything between the queue and the outside, wired."""

    def __init__(
        self,
        settings: Settings,
        epoch: str,
        metrics: Metrics,
        queue: asyncio.Queue[Delivery],
        health: Health,
        transport: _Transport,
    ) -> None:
        names = Topics.named(settings.topic_prefix)
        following = Following(Path(settings.bundle))
        ranker = following.first()
        metrics.model.labels(ranker.version).set(1)
        log.info("model %s ranks", ranker.version)
        self.store = RedisSessionStore(settings.redis)
        self.producer = Producer(settings.kafka, _SEND_DEADLINE_S)
        patience = Patience(settings.retry_budget_s, time.monotonic, asyncio.sleep)
        around = Surroundings(names.clickstream, names.recommendations, _now_ms, _new_id)
        self.outbox = Outbox(self.producer, _now_ms, metrics)
        self.ranking = Ranking(
            self.store, ranker, self.outbox, patience, Pace(time.monotonic), around, metrics, settings.rank_batch_max
        )
        kept = Log(settings.kafka, names.clickstream, _ASK_S)
        self.epoch = Epoch(epoch, partial(asyncio.to_thread, topics.epoch, settings, names.clickstream, _ASK_S))
        course = Course(kept, self.epoch.check, patience, metrics)
        self.watermarks = Watermarks(self.store, epoch, time.monotonic, metrics)
        self.rewind = Rewind(
            self.store, kept, self.epoch.check, course, self.watermarks, self.ranking, patience, around, epoch,
            safety_ms(settings.redis_replica_lag_s), metrics,
        )  # fmt: skip
        self.loop = Loop(
            queue, course, self.store, self.watermarks, self.ranking, self.producer, patience, names, epoch, metrics,
            settings.batch_max,
        )  # fmt: skip
        self.succession = Succession(following, self.ranking, metrics)
        self.health = health
        self.progress = transport.progress
        vitals = Vitals(self.ranking, self.outbox, following, patience, queue, transport.loops)
        vitals.rewinding = self.rewind.is_rewinding
        self.watchdog = Watchdog(
            self.progress,
            Soundings(transport, partial(topics.ends, settings, names.clickstream, timeout_s=_SOUND_S)),
            vitals,
            health,
            metrics,
            Limits(settings.stall_limit_s, settings.block_limit_s, settings.retry_budget_s),
            partial(os._exit, _EXIT_FAILED),
            time.monotonic,
            _now_ms,
        )

    async def start(self, app: faust.App) -> None:
        await _or_exit(self.producer.start())
        publishing = self.outbox.run(self.ranking.sent, self.ranking.replaced)
        watching = (self.watermarks.run(self.ranking.turn), self.epoch.run(), self.succession.run())
        for part in (self.loop.run(), self.ranking.run(), publishing, *watching):
            app.add_future(_or_exit(part))

    def assign(self, partitions: Sequence[int]) -> None:
        self.progress.assign(partitions, _now_ms())
        log.info("assigned: %s", partitions)

    async def begin(self, app: faust.App, generation: int, committed: Mapping[int, int | None]) -> dict[int, int]:
        """By partition of ours, the offset to read next."""
        starts = await _or_exit(self.rewind.begin(generation, committed))
        app.add_future(_or_exit(self.ranking.adopt()))
        return starts

    def revoke(self) -> None:
        self.rewind.end()
        self.progress.revoke()

    async def leave(self) -> None:
        """So that the next owner need not read again what we folded in the last second."""
        async with self.ranking.turn:
            with suppress(RedisError):
                await self.watermarks.write()


async def _or_exit(part: Coroutine[Any, Any, T]) -> T:
    """The outermost edge of everything that runs in the worker: what fails here ends the process, loudly."""
    try:
        return await part
    except asyncio.CancelledError:
        raise
    except NextclickError as error:
        log.critical("the worker ends: %s", error)
        _exit()
    except Exception:  # a defect of ours; going on could lose an event
        log.critical("the worker ends on a defect", exc_info=True)
        _exit()


def _exit() -> NoReturn:
    logging.shutdown()
    os._exit(_EXIT_FAILED)  # sys.exit would wait for Faust, which waits for us


def _configured(settings: Settings, progress: Progress) -> tuple[faust.App, _Transport]:
    app = faust.App(
        settings.group,
        broker=[f"kafka://{server}" for server in settings.kafka.split(",")],
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
    app.transport = transport = _Transport(app.conf.broker_consumer, app)
    transport.fetch_wait_ms, transport.progress = settings.fetch_wait_ms, progress
    return app, transport


def _delivery(event: faust.EventT[bytes], progress: Progress) -> Delivery:
    message = event.message
    # Typed as always there; a producer may have set none.
    seconds = cast(float | None, message.timestamp)
    record_time = -1 if seconds is None else round(seconds * 1000)

    def acknowledge() -> None:
        event.ack()
        progress.acknowledged(message.partition, message.offset, record_time, _now_ms())

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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


#: No two workers begin near each other. What is asked of the system for each list anew makes the ranker's thread wait.
_ids: Final = count(secrets.randbits(62))


def _new_id() -> str:
    return f"{next(_ids):016x}"
