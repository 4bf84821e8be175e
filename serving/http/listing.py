"""A list as it is asked for, made of what there is: stored, ranked now, remembered, or popular."""

from __future__ import annotations

import time
from typing import Final

from schemas.errors import RedisError
from schemas.recommendation import Model, Recommendation, TriggeredBy, encode
from schemas.session import Session
from serving.http.lists import Made, Wanted, etag
from serving.http.metrics import Metrics
from serving.http.shelf import Shelf
from serving.ranking import listed
from serving.state.readings import Held, Readings

#: Lists that were made of stored ones, kept for who asks again.
_MADE_MAX: Final = 8_192


class Listing:
    def __init__(self, readings: Readings, shelf: Shelf, metrics: Metrics) -> None:
        self._readings = readings
        self._shelf = shelf
        self._metrics = metrics
        self._made: dict[tuple[str, str], tuple[tuple[int, int], Made]] = {}

    async def make(self, wanted: Wanted) -> Made:
        if wanted.session_id is None:
            return self._popular()
        try:
            held = await self._readings.stored(wanted.session_id)
        except RedisError:
            self._metrics.redis_failed.inc()
            held = self._readings.last_good(wanted.session_id)
        return self._popular() if held is None else self._shown(wanted.session_id, held)

    def _shown(self, session_id: str, held: Held) -> Made:
        key, edition = (session_id, held.triple), self._shelf.edition
        kept = self._made.get(key)
        if kept is not None and kept[0] == edition:
            return kept[1]
        body = listed.shown(held.body, held.more, self._shelf.stocked)
        made = Made(body, etag(body), held.triple, held.generated_at, held.model.version, held.fallback, held.applied)
        if len(self._made) >= _MADE_MAX:
            del self._made[next(iter(self._made))]
        self._made[key] = edition, made
        return made

    def _popular(self) -> Made:
        now = int(time.time() * 1000)
        ranker = self._shelf.stocked.ranker
        [ranked] = ranker.rank([Session()], now, self._shelf.stocked.hidden)
        body = encode(
            Recommendation(
                recommendation_id="0", session_id="0", session_started=0, session_version=0, generated_at=now,
                trigger=TriggeredBy("", 0, 0, "", "", 0, 0), model=Model(ranker.version, ranker.counts_version),
                items=ranked.items[:30], pool_size=ranked.pool_size, fallback="popular",
            )
        )  # fmt: skip
        return Made(body, etag(body), "", now, ranker.version, "popular")
