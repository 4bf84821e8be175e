"""Laws of what the watchdog is told of the worker's parts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from schemas.errors import KafkaError, RedisError, ServiceError
from serving.state.sessions import Mark
from stream.vitals import Vitals
from tests.kit.diary import LANE, Diary, Worker


@dataclass
class Follower:
    refuses: bool = False


@dataclass
class Body:
    """A worker without Faust, and what is told of it."""

    worker: Worker = field(default_factory=lambda: Worker(Diary()))
    follower: Follower = field(default_factory=Follower)

    def __post_init__(self) -> None:
        worker = self.worker
        patience = worker.ranking._patience
        self.vitals = Vitals(worker.ranking, worker.outbox, self.follower, patience, worker.queue, list)

    async def while_trying(self, error: ServiceError, look: Callable[[], Awaitable[None]]) -> None:
        """Looks while something is tried again, and lets it succeed."""
        failed = False

        async def action() -> None:
            nonlocal failed
            if not failed:
                failed = True
                raise error
            await look()

        await self.worker.ranking._patience.run("folding", action)


@pytest.mark.parametrize(("error", "service"), [(RedisError("away"), "redis"), (KafkaError("away"), "kafka")])
def test_what_is_tried_again_is_lacking_and_an_excuse(error: ServiceError, service: str) -> None:
    async def whole() -> None:
        body = Body()
        assert (body.vitals.lacks(), body.vitals.excuse()) == (set(), None)

        async def look() -> None:
            assert (body.vitals.lacks(), body.vitals.excuse()) == ({service}, "folding")
            assert any("folding (away)" in line for line in body.vitals.describe())

        await body.while_trying(error, look)
        assert (body.vitals.lacks(), body.vitals.excuse()) == (set(), None)

    asyncio.run(whole())


def test_lists_that_kafka_does_not_take_are_told_of_and_are_no_excuse() -> None:
    body = Body()

    body.worker.outbox.waits = True

    assert (body.vitals.lacks(), body.vitals.excuse()) == ({"kafka"}, None)


def test_a_refused_bundle_is_told_of_and_is_no_excuse() -> None:
    body = Body()

    body.follower.refuses = True

    assert (body.vitals.lacks(), body.vitals.excuse()) == ({"bundle"}, None)


def test_what_loads_may_excuse_the_worker_as_long_as_it_says_so() -> None:
    body = Body()
    loading = ["the catalogue is loading"]

    body.vitals.excuses.append(lambda: loading[0] if loading else None)
    assert body.vitals.excuse() == "the catalogue is loading"

    loading.clear()
    assert body.vitals.excuse() is None


def test_pending_sessions_that_are_taken_over_excuse_as_long_as_more_of_them_are() -> None:
    async def whole() -> None:
        body = Body()
        worker = body.worker
        await worker.store.fold([], [Mark(LANE, f"s{n}", n) for n in range(700)])

        await worker.ranking.adopt()

        assert worker.ranking.adopted == 700
        assert body.vitals.excuse() == "taking over pending sessions"
        assert body.vitals.excuse() is None

    asyncio.run(whole())
