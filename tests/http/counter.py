"""A shelf over bundles on disk and a catalogue that is told by hand, and what answers from it: without services."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from prometheus_client import CollectorRegistry

from schemas.errors import RedisError
from schemas.placement import DEFAULT, Placement
from serving.http.fallback import Fallback
from serving.http.listing import Listing
from serving.http.metrics import Metrics
from serving.http.placements import Placements
from serving.http.rank import OnDemand
from serving.http.shelf import Shelf
from serving.http.turns import Turns
from serving.state.following import Following
from serving.state.patience import Patience
from serving.state.readings import NOBODY, Held, Remembered
from tests.kit.patience import PATIENCE_S
from tests.kit.told import Topic
from tests.worlds import NOW


class Redis:
    """What is stored of each session; or nothing, because it does not answer."""

    def __init__(self) -> None:
        self.lists: dict[str, Held] = {}
        self.sessions: dict[str, Remembered] = {}
        self.good: dict[str, Held] = {}
        self.known: dict[str, Remembered] = {}
        self.away = False
        self.asked = 0

    async def stored(self, session_id: str, *, changed: bool = False) -> Held | None:
        await self._ask()
        return self.lists.get(session_id)

    async def remembered(self, session_id: str) -> Remembered:
        await self._ask()
        return self.sessions.get(session_id, NOBODY)

    def last_good(self, session_id: str) -> Held | None:
        return self.good.get(session_id)

    def last_known(self, session_id: str) -> Remembered:
        return self.known.get(session_id, NOBODY)

    async def _ask(self) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise RedisError("away")


class Counter:
    def __init__(
        self, place: Path, placements: Mapping[str, Placement] | None = None, turns: Turns | None = None
    ) -> None:
        self.place = place
        self.topic = Topic()
        self.metrics = Metrics(CollectorRegistry())
        patience = Patience(float("inf"), lambda: 0.0, _soon)
        self.shelf = Shelf(Following(place, look_every_s=0.01), self.topic.follow, patience, lambda: 0.0, self.metrics)
        self._ids = count(1)
        self.at = NOW
        self.redis = Redis()
        self.placements = Placements({DEFAULT: Placement.default(), **(placements or {})})
        self.ranking = OnDemand(
            self.shelf,
            self.redis,
            self.placements,
            turns or Turns(),
            self.metrics,
            "clickstream",
            self.now,
            self.new_id,
        )
        self.fallback = Fallback(self.shelf, self.placements, self.now)
        self.lists = Listing(self.redis, self.shelf, self.placements, self.ranking, self.fallback, self.metrics)

    @asynccontextmanager
    async def running(self, at_most_s: float = PATIENCE_S) -> AsyncIterator[None]:
        await self.shelf.open(at_most_s)
        task = asyncio.create_task(self.shelf.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.shelf.close()
            assert all(reader.closed for reader in self.topic.readers)

    def put(self, bundle: Path) -> None:
        """In the place of the one that is there, in one step."""
        fresh = self.place.with_name(f".{next(self._ids)}")
        fresh.symlink_to(bundle)
        os.replace(fresh, self.place)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def now(self) -> int:
        return self.at

    def new_id(self) -> str:
        return str(next(self._ids))


async def _soon(seconds: float) -> None:
    await asyncio.sleep(0.001)
