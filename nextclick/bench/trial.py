"""One worker in an installation of its own, beside whatever else these services serve, and gone once it is measured."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from nextclick.bench import conditions, counts, shoppers
from nextclick.bench.counts import Counts
from nextclick.producer import ClickProducer
from nextclick.servers import LOOPBACK, Guardian, Server, free_port
from nextclick.worker import STREAM, start
from schemas import click as wire
from schemas import keys
from schemas.click import Click
from schemas.errors import NextclickError
from schemas.settings import RedisUrl, Settings
from schemas.topics import Topics, specs
from serving.state import broker, bundles, probe, topics
from serving.state.pipeline import Call, Pipeline

_ASK_S: Final = 15.0
#: After so long without progress a measurement is given up: most of it is a worker's start, on a busy machine.
_STUCK_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.1
_FORGET_AT_ONCE: Final = 500
_SEED: Final = 1
_PACKAGES: Final = ("faust-streaming", "aiokafka", "redis", "onnxruntime")

Module = Sequence[str]


class Trial:
    """`with Trial(settings) as trial:` its topics are there; `begin` starts its worker."""

    def __init__(self, settings: Settings, module: Module = STREAM) -> None:
        name = f"bench-{secrets.token_hex(4)}"
        self.settings: Final = replace(
            settings,
            topic_prefix=f"{name}.",
            topic_epoch="",
            group=name,
            bundle=str(Path(settings.bundle).resolve()),
            metrics_host=LOOPBACK,
            metrics_port=free_port(),
        )
        self.names: Final = Topics.named(self.settings.topic_prefix)
        self._module: Final = module
        self._sessions: set[str] = set()
        self._guardian: Guardian
        self._worker: Server

    def __enter__(self) -> Self:
        topics.create(self.settings, _ASK_S)
        try:
            self._guardian = Guardian()
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._guardian.close()
        self._clear()

    def clicks(self, sessions: int) -> list[Click]:
        """Of so many shoppers among the bundle's items."""
        ranker = bundles.load(Path(self.settings.bundle))
        touched = (-ranker.counts.ever).argsort(kind="stable").tolist()
        made = shoppers.clicks(ranker.table.named(touched), sessions, _SEED, run=secrets.token_hex(4))
        self._sessions.update(click.session_id for click in made)
        return made

    def produce(self, clicks: Iterable[Click]) -> None:
        """All at once, as if the worker had been away."""
        now = time.time_ns() // 1_000_000
        with ClickProducer(self.settings, self.names.clickstream) as producer:
            for click in clicks:
                producer.send(click.session_id.encode(), wire.encode(shoppers.at(click, now)))
            producer.drain()

    def begin(self) -> None:
        self._worker = start(self._guardian, self.settings, "worker", self._module)

    def beside(self, name: str, module: Module) -> None:
        """Another process, which ends with this trial."""
        start(self._guardian, self.settings, name, module)

    def check(self) -> None:
        code = self._worker.exit_code()
        if code is not None:
            raise NextclickError(f"the worker ended with code {code}; it said:\n{self._worker.last_lines()}")

    def counts(self) -> Counts:
        return counts.read(self.settings.metrics_port)

    def await_counts(self, read: Callable[[], Counts], enough: Callable[[Counts], bool]) -> Counts:
        """The first that are enough; NextclickError, with the worker's last words, when nothing happens any more."""
        before, changed_s = Counts(), time.monotonic()
        while not enough(found := read()):
            if found != before:
                before, changed_s = found, time.monotonic()
            self.check()
            if time.monotonic() - changed_s > _STUCK_S:
                said = self._worker.last_lines()
                raise NextclickError(f"nothing happened for {_STUCK_S:g} s after {found}; the worker said:\n{said}")
            time.sleep(_LOOK_EVERY_S)
        return found

    def cpu_s(self) -> float:
        """Processor time of the worker so far; nan where the system does not tell."""
        told = Path(f"/proc/{self._worker.pid}/stat")
        if not told.exists():
            return float("nan")
        user, system = told.read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def conditions(self, *packages: str, beside: str = "one worker, the load beside it") -> str:
        kafka, redis = probe.kafka(self.settings, _ASK_S), probe.redis(self.settings.redis, _ASK_S)
        services = f"Kafka {kafka.version} or later, Redis {'.'.join(map(str, redis.version))}"
        machine, busy = conditions.line(*(packages or _PACKAGES)), conditions.load()
        return f"{machine}; {services}; {self.settings.partitions} partitions, {beside}; {busy}"

    def _clear(self) -> None:
        with broker.asked(self.settings, _ASK_S) as admin:
            admin.delete_topics([spec.name for spec in specs(self.settings)], timeout_ms=int(_ASK_S * 1000))
        asyncio.run(_forget(self.settings.redis, sorted(self._sessions)))


async def _forget(redis: RedisUrl, session_ids: Sequence[str]) -> None:
    pipeline = Pipeline(redis)
    try:
        for at in range(0, len(session_ids), _FORGET_AT_ONCE):
            some = session_ids[at : at + _FORGET_AT_ONCE]
            await pipeline.run(
                [Call(("UNLINK", keys.session(name), keys.recommendation(name), keys.vector(name))) for name in some]
            )
    finally:
        await pipeline.close()
