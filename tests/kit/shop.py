"""One installation with a real worker: what a test sends into it, and what it finds afterwards."""

from __future__ import annotations

import asyncio
import csv
import gzip
import secrets
import time
from dataclasses import dataclass

import msgspec

from nextclick.sample import CATALOGUE
from nextclick.servers import Guardian
from schemas import facts, keys, recommendation
from schemas.click import Click
from schemas.recommendation import Recommendation
from schemas.settings import Settings
from schemas.topics import Topics
from schemas.wire import EpochMs
from serving.state.pipeline import Call, Pipeline, Reply
from serving.state.redis import RedisSessionStore
from serving.state.sessions import StoredList
from tests.kit import topic
from tests.kit.worker import Worker

with gzip.open(CATALOGUE, "rt", encoding="utf-8", newline="") as rows:
    ITEMS = [row["item_id"] for row in csv.DictReader(rows)][:500]


@dataclass
class Shop:
    """One installation: its topics, its workers, what they left."""

    guardian: Guardian
    settings: Settings
    names: Topics
    epoch: str

    def worker(self) -> Worker:
        return Worker(self.guardian, self.settings)

    def clicks(self, count: int, sessions: int, **changes: object) -> list[Click]:
        now = time.time_ns() // 1_000_000
        run = secrets.token_hex(4)
        made = [
            Click(
                event_id=f"{run}-{n}",
                session_id=f"{run}-{n % sessions}",
                type="view",
                ts=EpochMs(now),
                item_id=ITEMS[n * 7 % len(ITEMS)],
            )
            for n in range(count)
        ]
        return [msgspec.structs.replace(click, **changes) for click in made]

    def send(self, clicks: list[Click]) -> None:
        topic.produce_clicks(self.settings.kafka, self.names.clickstream, clicks)

    def send_in_parts(self, clicks: list[Click], size: int) -> None:
        for at in range(0, len(clicks), size):
            self.send(clicks[at : at + size])

    def lists(self, within_s: float = 30.0) -> list[Recommendation]:
        raws = topic.read_all(self.settings.kafka, self.names.recommendations, within_s)
        return [recommendation.decode(raw.value) for raw in raws if raw.value is not None]

    def lacks_list_for(self, clicks: list[Click], version: int) -> set[str]:
        """The sessions whose list for this version is not on the topic."""
        told = {each.session_id for each in self.lists() if each.session_version == version}
        return {click.session_id for click in clicks} - told

    def letters(self) -> list[topic.Raw]:
        return topic.read_all(self.settings.kafka, self.names.dead)

    def sessions_that_differ(self) -> list[str]:
        """Every session on the topic whose hash in Redis is not what one thread makes of the topic."""
        expected = topic.oracle(topic.read_all(self.settings.kafka, self.names.clickstream), self.epoch)
        found = self.ask([Call(("HGETALL", keys.session(name))) for name in expected])
        assert expected
        return [name for name, reply in zip(expected, found, strict=True) if reply != expected[name]]

    def folded(self, clicks: list[Click]) -> int:
        """How many events have changed a session so far."""
        headers = self.ask([Call(("HGET", keys.session(name), "h")) for name in {each.session_id for each in clicks}])
        return sum(facts.incarnation({b"h": header})[1] for header in headers if isinstance(header, bytes))

    def has_folded(self, clicks: list[Click], goal: int) -> bool:
        return self.folded(clicks) >= goal

    def stored(self, session_id: str) -> StoredList | None:
        async def read() -> StoredList | None:
            store = RedisSessionStore(self.settings.redis)
            try:
                return await store.recommendation(session_id)
            finally:
                await store.close()

        return asyncio.run(read())

    def ask(self, calls: list[Call]) -> list[Reply]:
        async def run() -> list[Reply]:
            pipeline = Pipeline(self.settings.redis)
            try:
                return await pipeline.run(calls)
            finally:
                await pipeline.close()

        return asyncio.run(run())
