"""What is done to an installation, as data: a campaign is a list of these."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from serving.state import topics
from tests.chaos.stage import Stage
from tests.kit import topic

#: Until a worker has met a server that fails, and whatever it acknowledged before is committed.
_NOTICED_S: Final = 20.0
_COMMITTED_S: Final = 2.0
_JOINING_S: Final = 60.0
_ASK_S: Final = 30.0
_BLOCK: Final = bytes(2**20)


class Fault(Protocol):
    def strike(self, stage: Stage) -> None:
        """Returns when it is over, and whatever was held is let go."""


@dataclass(frozen=True, slots=True)
class Kill:
    """The worker that has worked longest is gone, in the middle of whatever it does; another is started."""

    def strike(self, stage: Stage) -> None:
        stage.crew.kill(stage.crew.senior)


@dataclass(frozen=True, slots=True)
class Join:
    def strike(self, stage: Stage) -> None:
        stage.crew.hire()


@dataclass(frozen=True, slots=True)
class Leave:
    """The worker that has worked longest is asked to go."""

    def strike(self, stage: Stage) -> None:
        stage.crew.dismiss(stage.crew.senior)


@dataclass(frozen=True, slots=True)
class Replace:
    """The worker that has worked longest is asked to go; the next strikes when another is at work in its place."""

    def strike(self, stage: Stage) -> None:
        stage.crew.dismiss(stage.crew.senior)
        stage.crew.hire().await_assigned()


@dataclass(frozen=True, slots=True)
class Freeze:
    """The worker that has worked longest stands still, and wakes when others have its partitions."""

    seconds: float

    def strike(self, stage: Stage) -> None:
        worker = stage.crew.senior
        worker.pause()
        stage.await_stopped(worker.process.pid)
        stage.pass_time(self.seconds)
        worker.resume()


@dataclass(frozen=True, slots=True)
class RedisKilled:
    """Redis is gone for a while, and a worker that still found it joins meanwhile."""

    seconds: float

    def strike(self, stage: Stage) -> None:
        joining = stage.crew.hire()
        stage.await_that(lambda: "topic epoch" in joining.said(), "the one who joins has found Redis", _JOINING_S)
        stage.own_redis.kill()
        stage.pass_time(self.seconds)
        assert joining.is_assigned, "nobody joined meanwhile"
        stage.own_redis.start()


@dataclass(frozen=True, slots=True)
class RedisFull:
    """Redis may hold less than it holds."""

    seconds: float

    def strike(self, stage: Stage) -> None:
        stage.own_redis.ask("CONFIG SET maxmemory 1")
        _nothing_is_acknowledged(stage, self.seconds)
        stage.own_redis.ask("CONFIG SET maxmemory 0")


@dataclass(frozen=True, slots=True)
class DiskFull:
    """Not a byte is left where Redis keeps its log."""

    seconds: float
    directory: Path

    def strike(self, stage: Stage) -> None:
        ballast = self.directory / "ballast"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(_BLOCK):
                pass
        assert os.statvfs(self.directory).f_bavail == 0
        _nothing_is_acknowledged(stage, self.seconds)
        ballast.unlink()


def _nothing_is_acknowledged(stage: Stage, seconds: float) -> None:
    workers = stage.crew.workers
    said = {worker.name: worker.said().count("trying for") for worker in workers}

    def all_know() -> bool:
        return all(worker.said().count("trying for") > said[worker.name] for worker in workers)

    stage.await_that(all_know, "every worker has noticed", _NOTICED_S)
    stage.pass_time(_COMMITTED_S)
    before = stage.group.committed()
    stage.pass_time(seconds)
    assert stage.group.committed() == before, "records are acknowledged that Redis refused"
    assert stage.group.lag() > 0, "there was nothing to acknowledge"


@dataclass(frozen=True, slots=True)
class KafkaFrozen:
    seconds: float

    def strike(self, stage: Stage) -> None:
        broker = stage.own_kafka
        broker.pause()
        stage.await_stopped(broker.pid)
        stage.pass_time(self.seconds)
        broker.resume()
        stage.await_progress()


@dataclass(frozen=True, slots=True)
class KafkaKilled:
    """And started again on the same directory."""

    def strike(self, stage: Stage) -> None:
        stage.own_kafka.kill()
        stage.own_kafka.start()
        stage.await_progress()


@dataclass(frozen=True, slots=True)
class KafkaRestarted:
    """As an operator does."""

    def strike(self, stage: Stage) -> None:
        stage.own_kafka.stop()
        stage.own_kafka.start()
        stage.await_progress()


@dataclass(frozen=True, slots=True)
class ListsRefused:
    """No list is small enough for its topic."""

    seconds: float

    def strike(self, stage: Stage) -> None:
        settings, name = stage.shop.settings, stage.shop.names.recommendations
        topic.configure(settings, name, {"max.message.bytes": "100"})
        _folding_goes_on(stage, self.seconds)
        topic.configure(settings, name, {"max.message.bytes": str(2**20)})


@dataclass(frozen=True, slots=True)
class ListsDeleted:
    """The topic of the lists is not there; what was on it is gone for good."""

    seconds: float
    #: When nothing could be put on it any more: what Kafka took while it was being deleted went with the rest.
    gone_at: list[int] = field(default_factory=list)

    def strike(self, stage: Stage) -> None:
        topic.delete(stage.shop.settings, stage.shop.names.recommendations)
        self.gone_at.append(time.time_ns() // 1_000_000)
        _folding_goes_on(stage, self.seconds)
        topics.create(stage.shop.settings, _ASK_S)


def _folding_goes_on(stage: Stage, seconds: float) -> None:
    stage.pass_time(seconds / 2)
    there = stage.group.committed() + stage.group.lag()
    stage.pass_time(seconds / 2)
    assert stage.group.committed() >= there, "folding waits for a topic that it has no business with"
