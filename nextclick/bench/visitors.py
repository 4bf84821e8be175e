"""Sessions with a list in Redis, as a worker would have put it there, and what their pages show of themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nextclick.bench import shoppers
from nextclick.bench.trial import Trial
from schemas.click import Click
from schemas.recommendation import Model
from schemas.session import Position, Record
from schemas.settings import Settings
from schemas.topics import Topics
from serving.http.tokens import Tokens, read_secrets
from serving.ranking.ranker import Ranker
from serving.state import bundles
from serving.state.redis import RedisSessionStore
from serving.state.sessions import Draft, Work
from stream.drafting import Surroundings, draft

_TTL_S: Final = 3_600
_AT_ONCE: Final = 200
_EPOCH: Final = "00000000"


@dataclass(slots=True)
class Visitor:
    session_id: str
    key: str
    token: str
    #: Of the list that it has; empty where it has none.
    etag: str = ""

    @property
    def path(self) -> str:
        return f"/v1/recommendations/{self.session_id}"

    @property
    def headers(self) -> dict[str, str]:
        known = {"If-None-Match": self.etag} if self.etag else {}
        return {"X-Api-Key": self.key, "X-Session-Token": self.token, **known}

    def request(self) -> bytes:
        lines = [f"GET {self.path} HTTP/1.1", "Host: bench", *(f"{name}: {it}" for name, it in self.headers.items())]
        return "\r\n".join([*lines, "", ""]).encode()


def visitors(trial: Trial, key: str, sessions: int) -> list[Visitor]:
    clicks = trial.clicks(sessions)
    asyncio.run(stock(trial.settings, clicks))
    return admitted(trial.settings, key, sorted({click.session_id for click in clicks}))


def admitted(settings: Settings, key: str, names: Iterable[str]) -> list[Visitor]:
    """These sessions, each with a token of its own."""
    sign = Tokens(settings.site, read_secrets(settings.token_secrets))
    return [Visitor(name, key, sign.mint(name, None, ttl_s=_TTL_S, now=time.time())) for name in names]


async def stock(settings: Settings, clicks: Iterable[Click], first_offset: int = 0) -> list[Draft]:
    """Every session as the clicks leave it, and its list as the bundle ranks it; the lists that were stored."""
    now = time.time_ns() // 1_000_000
    records: dict[str, list[Record]] = {}
    for offset, click in enumerate(clicks, first_offset):
        record = Record(shoppers.at(click, now), now, Position(_EPOCH, 0, offset))
        records.setdefault(click.session_id, []).append(record)
    works = [Work(name, each) for name, each in records.items()]
    ranker, names = bundles.load(Path(settings.bundle)), Topics.named(settings.topic_prefix)
    around = Surroundings(names.clickstream, names.recommendations, lambda: now, lambda: "0" * 16)
    stored: list[Draft] = []
    store = RedisSessionStore(settings.redis)
    try:
        for at in range(0, len(works), _AT_ONCE):
            some = await _drafted(store, works[at : at + _AT_ONCE], ranker, around)
            await store.store(some)
            stored += some
    finally:
        await store.close()
    return stored


async def _drafted(
    store: RedisSessionStore, works: Sequence[Work], ranker: Ranker, around: Surroundings
) -> list[Draft]:
    """Their lists, once they are folded; still to be stored."""
    sessions = [folded.session() for folded in await store.fold(works)]
    ranked = ranker.rank(sessions, around.now())
    model = Model(ranker.version, ranker.counts_version)
    return [
        draft(work.session_id, session, session.trigger, one, model, around)
        for work, session, one in zip(works, sessions, ranked, strict=True)
        if session.trigger is not None
    ]
