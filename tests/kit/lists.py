"""Sessions with their lists in Redis, put there as the worker does, but at once and without one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import count
from typing import Final

from schemas import recommendation
from schemas.click import Click
from schemas.recommendation import PUBLISHED, STORED, Item, Model, Reason, Recommendation, TriggeredBy
from schemas.session import Position, Record, Trigger
from schemas.settings import Settings
from schemas.wire import EpochMs
from serving.state.redis import RedisSessionStore
from serving.state.sessions import Draft, Folded, Work
from tests.kit.shop import ITEMS

_TOPIC: Final = "clickstream"


def put(settings: Settings, epoch: str, session_ids: Sequence[str]) -> dict[str, str]:
    """Session -> the position that its list knows. The list of each bears its name, and no two are alike."""
    now = time.time_ns() // 1_000_000
    works = [Work(each, [_click(each, Position(epoch, 0, n), now - n)]) for n, each in zip(count(1), session_ids)]

    async def whole() -> None:
        store = RedisSessionStore(settings.redis)
        try:
            folded = await store.fold(works)
            stored = await store.store([_draft(each, n) for n, each in enumerate(folded)])
            assert all(each.revision is not None for each in stored)
        finally:
            await store.close()

    asyncio.run(whole())
    return {work.session_id: str(work.records[0].position) for work in works}


def name(session_id: str) -> str:
    """What the list of that session, and no other, is called."""
    return f"of-{session_id}"


def _click(session_id: str, position: Position, now: int) -> Record:
    item = ITEMS[position.offset % len(ITEMS)]
    return Record(Click(event_id="e", session_id=session_id, type="view", ts=EpochMs(now), item_id=item), now, position)


def _draft(folded: Folded, number: int) -> Draft:
    session = folded.session()
    trigger = session.trigger
    assert trigger is not None
    body = _body(folded.session_id, session.started, session.version, trigger, number)
    return Draft(
        session_id=folded.session_id,
        started=session.started,
        version=session.version,
        trigger=trigger.position,
        trigger_ts=trigger.ts,
        clicked_at=trigger.record_time,
        head=recommendation.unrevised(body),
        more=recommendation.spares(_items(number)),
        applied=session.guards,
    )


def _body(session_id: str, started: int, version: int, trigger: Trigger, number: int) -> Recommendation:
    return Recommendation(
        recommendation_id=name(session_id),
        session_id=session_id,
        session_started=started,
        session_version=version,
        generated_at=trigger.record_time,
        trigger=TriggeredBy.of(trigger, _TOPIC),
        model=Model("model", "counts"),
        items=_items(number)[:PUBLISHED],
        pool_size=STORED,
    )


def _items(number: int) -> tuple[Item, ...]:
    chosen = [ITEMS[(number * 7 + n) % len(ITEMS)] for n in range(STORED)]
    return tuple(Item(item, rank, 1 / rank, "popular", Reason("popular")) for rank, item in enumerate(chosen, 1))
