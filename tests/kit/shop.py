"""One installation with a real worker: what a test sends into it, and what it finds afterwards."""

from __future__ import annotations

import asyncio
import csv
import gzip
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from nextclick.sample import CATALOGUE
from nextclick.servers import Guardian
from schemas import facts, keys, recommendation
from schemas.click import Click
from schemas.recommendation import Recommendation
from schemas.session import Position
from schemas.settings import Settings
from schemas.topics import Topics
from schemas.wire import EpochMs
from serving.state import topics
from serving.state.pipeline import Call, Pipeline, Reply
from serving.state.redis import RedisSessionStore
from serving.state.sessions import StoredList
from tests.kit import topic
from tests.kit.verdict import Verdict, judge
from tests.kit.worker import Worker

#: As long as it takes to read what a campaign left, on a machine that has better to do.
_WHOLE_TOPIC_S: Final = 300.0

with gzip.open(CATALOGUE, "rt", encoding="utf-8", newline="") as rows:
    ITEMS = [row["item_id"] for row in csv.DictReader(rows)][:500]


class _Head(msgspec.Struct):
    """Of a list, what tells which state of the session it is for."""

    session_id: str
    session_started: int
    session_version: int


_HEADS: Final = msgspec.json.Decoder(_Head)


@dataclass
class Shop:
    """One installation: its topics, its workers, what they left."""

    guardian: Guardian
    settings: Settings
    names: Topics
    epoch: str

    def worker(self, *module: str) -> Worker:
        return Worker(self.guardian, self.settings, *module)

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

    def lists(self, within_s: float = 30.0) -> list[Recommendation]:
        raws = topic.read_all(self.settings.kafka, self.names.recommendations, within_s)
        return [recommendation.decode(raw.value) for raw in raws if raw.value is not None]

    def letters(self) -> list[topic.Raw]:
        return topic.read_all(self.settings.kafka, self.names.dead)

    def sessions_that_differ(self) -> list[str]:
        """Every session on the topic whose hash in Redis is not what one thread makes of the topic."""
        expected = self.expected()
        found = self.found(expected)
        assert expected
        return [name for name in expected if found[name] != expected[name]]

    def verdict(self) -> Verdict:
        """On the sessions and on their lists, and on users where they are kept, once all is quiet."""
        oracle = self.oracle()
        expected = oracle.sessions
        verdict = judge(expected, self.found(expected), self.listed(expected), self.told())
        return replace(verdict, misremembered=self._misremembered(oracle.users))

    def users_that_differ(self) -> list[str]:
        """Every user on the topic whose profile in Redis is not what one thread makes of the topic."""
        return self._misremembered(self.oracle().users)

    def _misremembered(self, expected: Mapping[str, Mapping[bytes, bytes]]) -> list[str]:
        if self.settings.profiles == "off":
            return []
        found = self.ask([Call(("HGETALL", keys.profile(user_id))) for user_id in expected])
        return [user_id for user_id, kept in zip(expected, found, strict=True) if kept != expected[user_id]]

    def expected(self) -> dict[str, dict[bytes, bytes]]:
        return self.oracle().sessions

    def oracle(self) -> topic.Oracle:
        return topic.oracle(topic.each(self.settings.kafka, self.names.clickstream, _WHOLE_TOPIC_S), self.epoch)

    def found(self, sessions: Collection[str]) -> dict[str, dict[bytes, bytes]]:
        replies = self.ask([Call(("HGETALL", keys.session(name))) for name in sessions])
        return {name: reply for name, reply in zip(sessions, replies, strict=True) if isinstance(reply, dict)}

    def listed(self, sessions: Collection[str]) -> dict[str, tuple[int, int]]:
        """Session -> (started, version) of the list that is stored."""
        replies = self.ask([Call(("HGET", keys.recommendation(name), "t")) for name in sessions])
        triples = {name: reply.split(b".") for name, reply in zip(sessions, replies, strict=True)
                   if isinstance(reply, bytes)}  # fmt: skip
        return {name: (int(started), int(version)) for name, (started, version, _) in triples.items()}

    def told(self) -> dict[str, tuple[int, int]]:
        """Session -> the greatest (started, version) that subscribers have received."""
        newest: dict[str, tuple[int, int]] = {}
        for raw in topic.each(self.settings.kafka, self.names.recommendations, _WHOLE_TOPIC_S):
            if raw.value is not None:
                head = _HEADS.decode(raw.value)
                known = (head.session_started, head.session_version)
                newest[head.session_id] = max(known, newest.get(head.session_id, (0, 0)))
        return newest

    def owed(self) -> int:
        """How many sessions are marked as waiting for their list."""
        lanes = [Position(self.epoch, number, 0).lane for number in range(self.settings.partitions)]
        return sum(reply for reply in self.ask([Call(("ZCARD", keys.pending(lane))) for lane in lanes])
                   if isinstance(reply, int))  # fmt: skip

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


def beside(shop: Shop) -> Shop:
    """Another installation on the same servers."""
    unique = secrets.token_hex(4)
    settings = replace(shop.settings, topic_prefix=f"t{unique}.", group=f"g{unique}")
    topics.create(settings, 30)
    names = Topics.named(settings.topic_prefix)
    return Shop(shop.guardian, settings, names, topics.epoch(settings, names.clickstream, 10))
