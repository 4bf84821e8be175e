"""One process of the endpoint: what it is made of, how it begins, and how it ends without failing anybody.

SIGTERM     /ready says 503, and everybody is still answered, until the load balancer has noticed
then        streams are told to come back, long polls are answered with what there is
then        nobody is let in; what is under way is answered; the process ends
"""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry

from schemas.errors import InvariantError, NextclickError
from schemas.recommendation import ANYBODY
from schemas.settings import Settings
from schemas.topics import Topics
from serving.http import docs, erase, events, loop
from serving.http.app import App
from serving.http.bells import Bells
from serving.http.connection import Bounds
from serving.http.fallback import Fallback
from serving.http.guard import Guard
from serving.http.health import Health
from serving.http.listing import Listing
from serving.http.metrics import Metrics
from serving.http.placements import Placements
from serving.http.rank import OnDemand
from serving.http.recommendations import Recommendations
from serving.http.server import Server
from serving.http.shelf import Shelf
from serving.http.similar import SimilarProducts
from serving.http.streams import Streams
from serving.http.turns import Turns
from serving.state import discretion, probes
from serving.state.breaker import Breaker, Circuit
from serving.state.catalogue import Catalogue
from serving.state.channels import Channels
from serving.state.clickstream import Clickstream
from serving.state.erasure import Erasure
from serving.state.following import Following
from serving.state.fused import Fused
from serving.state.gathered import Gathered
from serving.state.limits import ProfileTtl
from serving.state.patience import Patience
from serving.state.pipeline import Pipeline
from serving.state.readings import Readings
from serving.state.redis import RedisSessionStore

log = logging.getLogger(__name__)

#: The end comes at most so long after the load balancer was given its time.
_END_S: Final = 5.0
#: A catalogue that is longer in coming is followed while answers are given.
_CATALOGUE_S: Final = 30.0
_LOOK_S: Final = 1.0
#: Of lists that are made here. No two processes begin near each other.
_ids: Final = count(secrets.randbits(62))


class Endpoint:
    """The parts of one process, wired."""

    def __init__(self, settings: Settings, registry: CollectorRegistry) -> None:
        self._settings = settings
        self.metrics = Metrics(registry)
        self._breaker = Breaker(time.monotonic)
        self._pipeline = Pipeline(settings.redis, settings.redis_read_ms / 1000, command_s=0)
        fused = Fused(self._pipeline, self._breaker, self.metrics.redis_seconds.observe)
        redis = Gathered(fused, lambda: fused.is_doubtful)
        self._guard = Guard(settings, redis, self.metrics)
        self._bells = Bells()
        self._channels = Channels(settings.redis)
        names = Topics.named(settings.topic_prefix)
        endless = Patience(float("inf"), time.monotonic, asyncio.sleep)
        self._shelf = Shelf(
            Following(Path(settings.bundle)),
            lambda: Catalogue(settings, names.catalog, self._unreadable),
            endless,
            time.monotonic,
            self.metrics,
        )
        self._readings = readings = Readings(redis)
        placements = Placements.load(settings.placements)
        turns, clicks = Turns(), names.clickstream
        ranking = OnDemand(self._shelf, readings, placements, turns, self.metrics, clicks, _now_ms, _new_id)
        fallback = Fallback(self._shelf, placements, _now_ms)
        lists = Listing(readings, self._shelf, placements, ranking, fallback, self.metrics)
        self._polls = Recommendations(lists, self._bells, self.metrics)
        self._streams = Streams(lists, self._bells, placements, self.metrics, settings.streams_max)
        self._clickstream = Clickstream.of(settings)
        self._store = RedisSessionStore(
            settings.redis, ProfileTtl.of(settings.profile_days, settings.clickstream_hours)
        )
        own = [
            *self._polls.operations(),
            *self._streams.operations(),
            *ranking.operations(),
            *SimilarProducts(self._shelf, readings, placements, self.metrics, _now_ms).operations(),
            *events.operations(self._clickstream, names.clickstream, _now_ms, self._event),
            *erase.operations(Erasure(self._clickstream, self._store), readings.forget),
        ]
        app = App([*own, *docs.operations(own)], self._guard, self.metrics)
        self._server = Server(app, Bounds(), settings.connections_max)
        self.health = Health(self._degraded, lambda: self._shelf.stocked.version)

    async def run(self, ended: asyncio.Event) -> None:
        """Answers until `ended`, and then as long as is due to those who are there."""
        waiting = asyncio.create_task(ended.wait())
        opening = asyncio.create_task(self._shelf.open(_CATALOGUE_S))
        tasks = _begun(self._clickstream.run(), self._channels.listen(self._bells.ring, self._bells.ring_all))
        await asyncio.wait([waiting, opening, *tasks], return_when=asyncio.FIRST_COMPLETED)
        if opening.done() and not waiting.done():
            opening.result()
            tasks += _begun(self._shelf.run(), self._server.watch(), self._look())
            await self._serve()
            await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
            await self._end()
        failed = [task for task in tasks if task.done()]
        for task in failed:
            log.critical("the endpoint ends on a defect", exc_info=task.exception())
        for each in (waiting, opening, *tasks):
            each.cancel()
        await asyncio.gather(waiting, opening, *tasks, return_exceptions=True)
        await self._shelf.close()
        await self._clickstream.close()
        await self._store.close()
        await self._pipeline.close()
        if failed:
            raise InvariantError("a part of the endpoint ended that never does; its log has why, start it again")

    async def _serve(self) -> None:
        port = await self._server.start(self._settings.serve_host, self._settings.serve_port)
        # What is loaded stays: to look through it for garbage now and then would hold every request up.
        gc.freeze()
        self.health.warm.set()
        log.info("serving on %s:%d with model %s", self._settings.serve_host, port, self._shelf.stocked.version)

    async def _end(self) -> None:
        self.health.draining.set()
        log.info("asked to end: everybody is answered for %d s more", self._settings.drain_s)
        until = time.monotonic() + self._settings.drain_s
        while time.monotonic() < until:
            # Who is answered meanwhile is told to connect anew, and is then sent elsewhere.
            self._server.let_go()
            await asyncio.sleep(0.02)
        self._polls.draining = self._streams.draining = True
        self._bells.ring_all()
        await self._server.stop(_END_S)

    def _event(self, outcome: str) -> None:
        self.metrics.events.labels(outcome).inc()

    def _unreadable(self, reason: str) -> None:
        self.metrics.catalogue_unreadable.labels(reason).inc()

    async def _look(self) -> None:
        while True:
            if self._breaker.circuit is Circuit.HALF_OPEN:
                await self._ask_redis()
            self.metrics.connections.set(self._server.connections)
            self.metrics.circuit.set(self._breaker.circuit)
            lacking = self._degraded()
            for service in ("redis", "bundle", "kafka"):
                self.metrics.degraded.labels(service).set(service in lacking)
            await asyncio.sleep(_LOOK_S)

    async def _ask_redis(self) -> None:
        """Where no shopper comes by, nobody else would find out that it is back."""
        with suppress(NextclickError):
            await self._readings.stored(ANYBODY)

    def _degraded(self) -> frozenset[str]:
        lacking = set(self._shelf.degraded)
        if self._breaker.circuit is not Circuit.CLOSED or not self._channels.hears:
            lacking.add("redis")
        if self._clickstream.is_away:
            lacking.add("kafka")
        return frozenset(lacking)


def _begun(*parts: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(part) for part in parts]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def run(settings: Settings, number: int, parent_ended: Callable[[asyncio.Event], None] | None = None) -> int:
    """Until SIGTERM or Ctrl-C. Process `number` of those that share the port."""
    discretion.log_to_stderr(settings.log_level, "aiokafka", "kafka")
    registry = CollectorRegistry()

    async def serve() -> None:
        ended = asyncio.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(each, ended.set)
        if parent_ended is not None:
            parent_ended(ended)
        if settings.security == "off":
            log.warning("security is off: whoever reaches this may name any session")
        endpoint = Endpoint(settings, registry)
        if settings.metrics_port:
            probes.serve(settings.metrics_host, settings.metrics_port + number, registry, endpoint.health)
        await endpoint.run(ended)

    with suppress(KeyboardInterrupt):
        loop.run(serve())
    return 0


def _new_id() -> str:
    return f"{next(_ids):016x}"
