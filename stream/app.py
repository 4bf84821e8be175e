"""The worker's process: Faust brings the records, everything else is ours.

Faust is kept to what was measured to be safe: one agent, concurrency 1, raw bytes, no acknowledgement of
its own, no tables, no web server, and no exception that leaves the agent. What a failure of ours ends is
the process, at once: its partitions go to another worker, and what was not acknowledged is delivered again.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import os
import secrets
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar, cast

import faust
from prometheus_client import CollectorRegistry

from schemas.errors import NextclickError, RedisError
from schemas.settings import Settings
from schemas.topics import Topics
from serving.state import discretion, probes, topics
from serving.state.catalogue import Catalogue
from serving.state.following import Following
from serving.state.limits import ProfileTtl
from serving.state.log import Log
from serving.state.patience import Patience
from serving.state.producer import Producer
from serving.state.redis import RedisSessionStore
from serving.state.stock import Stock
from serving.state.succession import Succession
from stream.course import Course
from stream.drafting import Surroundings
from stream.epoch import Epoch
from stream.health import Health
from stream.intake import Delivery
from stream.loop import Loop
from stream.metrics import Metrics
from stream.outbox import Outbox
from stream.pace import Pace
from stream.profiles import Profiles
from stream.progress import Progress
from stream.ranking import Ranking
from stream.rewind import Rewind, safety_ms
from stream.soundings import Soundings
from stream.transport import WorkerTransport, configured, delivery, now_ms
from stream.vitals import Vitals
from stream.watchdog import Limits, Watchdog
from stream.watermarks import Watermarks

T = TypeVar("T")
log = logging.getLogger(__name__)

#: From SIGTERM to the end, whatever a library still waits for; its orchestrator would not wait much longer.
SHUTDOWN_MAX_S: Final = 10.0
_SEND_DEADLINE_S: Final = 5.0
_ASK_S: Final = 10.0
#: To connect, and as long again for the answer.
_SOUND_S: Final = 2.5
_EXIT_FAILED: Final = 70


def run(settings: Settings) -> int:
    """Works until SIGTERM or Ctrl-C (0), or until something fails that another process may do better (70)."""
    discretion.log_to_stderr(settings.log_level, "faust", "mode", "aiokafka", "kafka")
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


class _Worker(faust.Worker):
    """Faust's own worker, whose event loop and signals its consumer depends on, with a bound on its end."""

    parts: _Parts

    async def on_first_start(self) -> None:
        self.parts.watchdog.start(asyncio.get_running_loop())
        await super().on_first_start()
        # Before it joins the group: meanwhile whoever has the partitions keeps them, and nobody waits for a list.
        await _or_exit(self.parts.stock.open())

    def _on_sigusr1(self) -> None:
        """In place of Faust's own, which prints the values of variables, and with them whole clicks."""
        self.parts.watchdog.report()

    def _schedule_shutdown(self, signal: Any) -> None:
        if self._signal_stop_time or not self.parts.stock.is_open:
            os._exit(0)  # asked twice, or before it began: what was not acknowledged is delivered again
        self._end_soon(0)
        super()._schedule_shutdown(signal)

    def on_worker_shutdown(self) -> None:
        """Also when Faust itself has failed; what it then waits for may never come."""
        if not self._signal_stop_time:
            self._end_soon(_EXIT_FAILED)
        super().on_worker_shutdown()

    def _gather_all(self) -> None:
        """All of ours has stopped by now, and Kafka is given what it was sent. Faust would wait a second for the rest
        to end by itself, which nothing does.
        """
        with suppress(NextclickError):
            self.loop.run_until_complete(self.parts.producer.stop())
        for task in asyncio.all_tasks(self.loop):
            task.cancel()

    async def _sentinel_task(self) -> None:
        """And one more before it closes the loop."""

    def _end_soon(self, code: int) -> None:
        self.parts.health.draining.set()
        timer = threading.Timer(SHUTDOWN_MAX_S, os._exit, [code])
        timer.daemon = True
        timer.start()


def _build(settings: Settings, epoch: str, metrics: Metrics, health: Health) -> tuple[faust.App, _Parts]:
    names = Topics.named(settings.topic_prefix)
    progress = Progress()
    app, transport = configured(settings, progress)
    queue: asyncio.Queue[Delivery] = asyncio.Queue(settings.queue_max)
    transport.parts = parts = _Parts(settings, epoch, metrics, queue, health, transport)

    @app.agent(app.topic(names.clickstream, key_serializer="raw", value_serializer="raw"), concurrency=1)
    async def clicks(stream: faust.StreamT[bytes]) -> None:
        async for event in cast(faust.Stream[bytes], stream).noack().events():
            await queue.put(delivery(event, progress))

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
        transport: WorkerTransport,
    ) -> None:
        names = Topics.named(settings.topic_prefix)
        following = Following(Path(settings.bundle))
        ranker = following.first()
        metrics.model.labels(ranker.version).set(1)
        metrics.model_trained.set_function(lambda: following.made_at / 1000)
        log.info("model %s ranks", ranker.version)
        self.store = RedisSessionStore(settings.redis, ProfileTtl.of(settings.profile_days, settings.clickstream_hours))
        self.producer = Producer(settings, _SEND_DEADLINE_S)
        patience = Patience(settings.retry_budget_s, time.monotonic, asyncio.sleep)
        around = Surroundings(names.clickstream, names.recommendations, now_ms, _new_id)
        self.outbox = Outbox(self.producer, now_ms, metrics)
        wanted = settings.profiles
        profiles = Profiles(self.store, patience, metrics, kept=wanted == "on", ranked=wanted == "rank")
        self.ranking = Ranking(
            self.store, ranker, self.outbox, patience, Pace(time.monotonic), around, metrics, settings.rank_batch_max,
            profiles,
        )  # fmt: skip
        kept = Log(settings, names.clickstream, _ASK_S)
        self.epoch = Epoch(epoch, partial(asyncio.to_thread, topics.epoch, settings, names.clickstream, _ASK_S))
        course = Course(kept, self.epoch.check, patience, metrics)
        self.watermarks = Watermarks(self.store, epoch, time.monotonic, metrics)
        self.rewind = Rewind(
            self.store, kept, self.epoch.check, course, self.watermarks, self.ranking, patience, around, epoch,
            safety_ms(settings.redis_replica_lag_s), metrics,
        )  # fmt: skip
        self.loop = Loop(
            queue, course, self.store, profiles, self.watermarks, self.ranking, self.producer, patience, names, epoch,
            metrics, settings.batch_max,
        )  # fmt: skip
        self.stock = Stock(
            ranker, lambda: _catalogue(settings, metrics), self.ranking, patience,
            Patience(math.inf, time.monotonic, asyncio.sleep), time.monotonic, metrics,
        )  # fmt: skip
        self.succession = Succession(following, self.stock, metrics)
        self.health = health
        self.progress = transport.progress
        vitals = Vitals(
            self.ranking, self.outbox, following, patience, queue, transport.loops, [self.stock.excuse],
            self.rewind.is_rewinding,
        )  # fmt: skip
        self.watchdog = Watchdog(
            self.progress,
            Soundings(transport, partial(topics.ends, settings, names.clickstream, timeout_s=_SOUND_S)),
            vitals,
            health,
            metrics,
            Limits(settings.stall_limit_s, settings.block_limit_s, settings.retry_budget_s),
            partial(os._exit, _EXIT_FAILED),
            time.monotonic,
            now_ms,
        )

    async def start(self, app: faust.App) -> None:
        await _or_exit(self.producer.start())
        publishing = self.outbox.run(self.ranking.sent, self.ranking.replaced)
        following = (self.stock.run(), self.ranking.search(), self.succession.run())
        watching = (self.watermarks.run(self.ranking.turn), self.epoch.run())
        for part in (self.loop.run(), self.ranking.run(), publishing, *watching, *following):
            app.add_future(_or_exit(part))

    def assign(self, partitions: Sequence[int]) -> None:
        self.progress.assign(partitions, now_ms())
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
                await self.ranking.settle()


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


def _catalogue(settings: Settings, metrics: Metrics) -> Catalogue:
    def unreadable(reason: str) -> None:
        metrics.catalogue_unreadable.labels(reason).inc()

    return Catalogue(settings, Topics.named(settings.topic_prefix).catalog, unreadable)


#: No two workers begin near each other. What is asked of the system for each list anew makes the ranker's thread wait.
_ids: Final = count(secrets.randbits(62))


def _new_id() -> str:
    return f"{next(_ids):016x}"
