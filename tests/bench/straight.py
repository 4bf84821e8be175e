"""The yardstick: what one would write with Faust, Redis and the same model, following their documentation.

Batches by `take`; for each event the session is read from Redis and written back; the batch is scored in one go, by
length; for each event a list is sent to the topic. Of what it leaves out none makes it slower: it may lose events, its
candidates are the same 200 popular items for everybody, no features are made for them, and no reasons are told.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import faust
import msgspec
import numpy as np
from redis.asyncio import Redis

from schemas.click import Click, decode
from schemas.settings import Settings
from schemas.topics import Topics
from serving.ranking.features import names
from serving.ranking.query import Query
from serving.ranking.ranker import Ranker
from serving.ranking.scorer import LENGTH_MAX
from serving.state import bundles

#: Events at once; Faust waits this long for that many.
_TAKE: Final = 100
_WITHIN_S: Final = 0.05
_POOL: Final = 200
_LIST: Final = 30
_IDLE_S: Final = 1_800
_ITEMS: Final = msgspec.json.Decoder(list[str])


class Scoring:
    """Sessions in, the best of the popular items out."""

    def __init__(self, ranker: Ranker) -> None:
        assert ranker.model is not None
        self._ranker, self._model = ranker, ranker.model
        self._pool = (-ranker.counts.ever).argsort(kind="stable")[:_POOL].astype(np.int32)
        self._names = ranker.table.named(self._pool.tolist())
        self._features = np.zeros((len(self._pool), len(names(list(ranker.sources)))), dtype=np.float32)

    def lists(self, sessions: Sequence[Sequence[str]]) -> list[list[str]]:
        queries = [self._query(session) for session in sessions]
        vectors = self._model.encode(queries)
        many = len(sessions)
        scores = self._model.score(vectors, [self._pool] * many, [self._features] * many).fusion
        best = np.argsort(-scores, axis=1)[:, :_LIST].tolist()
        return [[self._names[at] for at in row] for row in best]

    def _query(self, session: Sequence[str]) -> Query:
        items = self._ranker.table.find(session)
        return Query(items, np.zeros(len(items), dtype=np.uint8), np.arange(len(items), dtype=np.int64) * 1_000, 0)


def run(settings: Settings) -> None:
    names = Topics.named(settings.topic_prefix)
    scoring = Scoring(bundles.load(Path(settings.bundle)))
    redis = Redis.from_url(settings.redis.reveal())
    app = faust.App(
        settings.group,
        broker=[f"kafka://{server}" for server in settings.kafka.split(",")],
        store="memory://",
        datadir=tempfile.mkdtemp(),
        web_enabled=False,
    )
    clickstream = app.topic(names.clickstream, value_serializer="raw")
    recommendations = app.topic(names.recommendations, value_serializer="raw")

    @app.agent(clickstream)
    async def recommend(stream: faust.StreamT[bytes]) -> None:
        async for batch in stream.take(_TAKE, within=_WITHIN_S):
            clicks = [decode(value) for value in batch]
            sessions = [await visited(redis, click) for click in clicks]
            for click, found in zip(clicks, scoring.lists(sessions), strict=True):
                body = msgspec.json.encode({"session_id": click.session_id, "event_id": click.event_id, "items": found})
                await recommendations.send(key=click.session_id, value=body)

    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


async def visited(redis: Redis, click: Click) -> list[str]:
    """The session's items, this click's among them."""
    found = await redis.get(click.session_id)
    items = [*(_ITEMS.decode(found) if found else []), click.item_id or ""][-LENGTH_MAX:]
    await redis.set(click.session_id, msgspec.json.encode(items), ex=_IDLE_S)
    return items


if __name__ == "__main__":
    run(Settings.read(os.environ, {}))
