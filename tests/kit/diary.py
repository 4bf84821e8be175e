"""A worker's parts on one event loop, the store in memory, Kafka a few lines; a diary of what they do, in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count

from prometheus_client import CollectorRegistry

from schemas.click import Click, encode
from schemas.errors import KafkaError, RedisError
from schemas.recommendation import Item, Reason
from schemas.session import Session
from schemas.topics import Topics
from schemas.wire import EpochMs
from serving.ranking.ranker import Ranked
from serving.state.memory import MemorySessionStore
from serving.state.patience import Patience
from serving.state.producer import Outgoing
from serving.state.profiles import Remembered, Traces
from serving.state.sessions import Draft, Folded, Mark, Stored, Work
from stream.course import Course
from stream.drafting import Surroundings
from stream.intake import Delivery
from stream.loop import Loop
from stream.metrics import Metrics
from stream.outbox import Outbox
from stream.pace import Pace
from stream.profiles import Profiles
from stream.ranking import Ranking
from stream.watermarks import Watermarks
from tests.kit.memory_log import MemoryLog
from tests.kit.patience import until

NAMES = Topics.named("")
EPOCH = "0badcafe"
LANE = f"{EPOCH}.0"
NOW = 1_700_000_000_000


class Diary:
    """What happened, in order, and what is to fail how often."""

    def __init__(self, **faults: int) -> None:
        self.lines: list[str] = []
        self.faults = faults
        #: How long each thing takes, by the clock of the stages, which otherwise stands.
        self.takes_s: dict[str, float] = {}
        self.now_s: float = NOW / 1000

    def note(self, what: str, error: Exception | None = None) -> None:
        self.now_s += self.takes_s.get(what, 0)
        if error is not None and self.faults.get(what, 0) > 0:
            self.faults[what] -= 1
            raise error
        self.lines.append(what)


class Store(MemorySessionStore):
    def __init__(self, diary: Diary) -> None:
        super().__init__()
        self.diary = diary
        self.lose_answers = 0

    async def fold(self, works: Sequence[Work], marks: Sequence[Mark] = ()) -> list[Folded]:
        if marks:
            self.diary.note("mark", RedisError("away"))
        self.diary.note("fold", RedisError("away"))
        folded = await super().fold(works, marks)
        if self.lose_answers:
            self.lose_answers -= 1
            raise RedisError("the connection broke before the answer came")
        return folded

    async def remember(self, works: Sequence[Traces]) -> list[Remembered]:
        self.diary.note("remember", RedisError("away"))
        return await super().remember(works)

    async def store(self, drafts: Sequence[Draft]) -> list[Stored]:
        self.diary.note("store", RedisError("away"))
        return await super().store(drafts)

    async def settle(self, marks: Sequence[Mark]) -> None:
        self.diary.note("settle", RedisError("away"))
        await super().settle(marks)


class Kafka:
    """Takes what it is given, unless the diary says it is away."""

    def __init__(self, diary: Diary) -> None:
        self.diary = diary
        self.taken: list[Outgoing] = []

    async def send(self, records: Sequence[Outgoing]) -> None:
        what = "bury" if records[0].topic == NAMES.dead else "publish"
        self.diary.note(what, KafkaError("away"))
        self.taken += records


class Popular:
    """A ranker that always says the same."""

    version, counts_version = "m", "c"

    def __init__(self) -> None:
        self.asked: list[Session] = []

    def rank(self, sessions: Sequence[Session], now: int) -> list[Ranked]:
        self.asked += sessions
        return [Ranked((Item("lamp", 1, 1.0, "popular", Reason("popular")),), 1) for _ in sessions]


class Worker:
    """The loop, the ranking and the outbox as the app wires them, without Faust."""

    def __init__(
        self, diary: Diary, store: Store | None = None, on_the_loop_s: float = 0.0, *, profiles: str = "on"
    ) -> None:
        """Nothing is ranked on the event loop by default: what a test says of time it says of the ranker's thread."""
        self.diary = diary
        self.store = store or Store(diary)
        self.kafka = Kafka(diary)
        self.queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self.metrics = metrics = Metrics(CollectorRegistry(), lambda: diary.now_s)
        patience = Patience(45, lambda: 0.0, asyncio.sleep)
        ids = count(1)
        around = Surroundings(NAMES.clickstream, NAMES.recommendations, lambda: NOW, lambda: f"r{next(ids)}")
        self.outbox = Outbox(self.kafka, lambda: NOW, metrics)
        pace = Pace(time.monotonic, on_the_loop_s)
        kept = Profiles(self.store, patience, metrics, kept=profiles == "on", ranked=profiles == "rank")
        self.ranker = Popular()
        self.ranking = Ranking(self.store, self.ranker, self.outbox, patience, pace, around, metrics, 32, kept)
        self.log = MemoryLog()
        self.course = Course(self.log, self.log.same_topic, patience, metrics)
        self.watermarks = Watermarks(self.store, EPOCH, lambda: 0.0, metrics)
        self.loop = Loop(
            self.queue, self.course, self.store, kept, self.watermarks, self.ranking, self.kafka, patience, NAMES,
            EPOCH, metrics, 256,
        )  # fmt: skip
        self._offset = count()
        self.assign(1)

    def assign(self, generation: int, start: int = 0, again: int = 0) -> None:
        self.generation = generation
        self.course.begin(generation, {0: start})
        self.ranking.assign({LANE: again})

    def revoke(self) -> None:
        self.course.end()
        self.ranking.revoke([LANE])

    def deliver(
        self, value: bytes | None, key: bytes = b"s1", headers: Sequence[tuple[str, bytes]] = (), at: int = NOW
    ) -> None:
        offset = next(self._offset)
        self.queue.put_nowait(
            Delivery(key, value, headers, 0, offset, at, lambda: self.diary.note(f"ack {offset}"), self.generation)
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        publishing = self.outbox.run(self.ranking.sent, self.ranking.replaced)
        parts = (self.loop.run(), self.ranking.run(), self.ranking.search(), publishing)
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def run_until(self, done: Callable[[], bool]) -> None:
        async with self.running():
            await until(done)

    async def fold_until(self, done: Callable[[], bool]) -> None:
        """A worker that dies before it ranks."""
        task = asyncio.create_task(self.loop.run())
        await until(done)
        task.cancel()

    async def settled(self) -> bool:
        return not await self.store.pending(LANE)


def click(number: int, session: str = "s1") -> bytes:
    return encode(
        Click(event_id=f"e{number}", session_id=session, type="view", ts=EpochMs(NOW), item_id=f"item{number}")
    )


def play(diary: Diary, script: Callable[[Worker], Awaitable[None]]) -> Worker:
    async def whole() -> Worker:
        worker = Worker(diary)
        await script(worker)
        return worker

    return asyncio.run(whole())
