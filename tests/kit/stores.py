"""Session stores of every kind, and the records and lists that their laws are told with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from schemas.click import Click, Erase, EventType
from schemas.session import Outcome, Position, Record, Session, State, fold
from schemas.settings import RedisUrl
from schemas.wire import EpochMs
from serving.state.memory import MemorySessionStore
from serving.state.pipeline import Call, Pipeline
from serving.state.redis import RedisSessionStore
from serving.state.sessions import Draft, SessionStore
from tests.worlds.histories import START_MS

T = TypeVar("T")
LANE = "0badcafe.0"
REAL = ["server", "embedded", "cluster"]


class Stores:
    """A store of the kind under test, made inside the event loop that uses it."""

    def __init__(self, kind: str, url: str | None) -> None:
        self.kind = kind
        self.url = url
        self.memory = MemorySessionStore()

    def run(self, body: Callable[[SessionStore], Awaitable[T]]) -> T:
        async def whole() -> T:
            store: SessionStore = RedisSessionStore(RedisUrl(self.url)) if self.url else self.memory
            try:
                return await body(store)
            finally:
                await store.close()

        return asyncio.run(whole())

    def ask(self, *arguments: str | int) -> object:
        """One command of the test's own."""

        async def whole() -> object:
            pipeline = Pipeline(RedisUrl(self.url or ""))
            try:
                return (await pipeline.run([Call(arguments)]))[0]
            finally:
                await pipeline.close()

        return asyncio.run(whole())


def click(sid: str, offset: int, item: str = "lamp", kind: EventType = "view", now: int = START_MS) -> Record:
    event = Click(event_id=f"e{offset}", session_id=sid, type=kind, ts=EpochMs(now), item_id=item)
    return Record(event, now, Position("0badcafe", 0, offset))


def erase(sid: str, offset: int, now: int = START_MS) -> Record:
    return Record(Erase(sid), now, Position("0badcafe", 0, offset))


def draft(sid: str, session: Session, head: bytes = b'{"revision":') -> Draft:
    assert session.trigger
    return Draft(
        sid,
        session.started,
        session.version,
        trigger=session.trigger.position,
        trigger_ts=session.trigger.ts,
        clicked_at=session.trigger.record_time,
        head=head,
        more=b"[]",
        applied=session.guards,
    )


def reference(records: list[Record]) -> tuple[State, list[Outcome]]:
    state, outcomes = State(), list[Outcome]()
    for record in records:
        state, outcome = fold(state, record)
        outcomes.append(outcome)
    return state, outcomes
