"""Which dead letters were sent back, kept in Redis for as long as their topic keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas import keys
from schemas.letter import Source
from schemas.settings import RedisUrl
from serving.state.limits import REPLAYED_TTL_MS
from serving.state.pipeline import Call, Pipeline


class Replays:
    """The key is the place of the record it was, the value that record's time: places come anew with their topic."""

    def __init__(self, url: RedisUrl) -> None:
        self._pipeline = Pipeline(url)

    async def known(self, sources: Sequence[Source]) -> set[Source]:
        """Those of them that were sent back."""
        replies = await self._pipeline.run([Call(("GET", _key(source))) for source in sources])
        return {source for source, time in zip(sources, replies, strict=True) if time == b"%d" % source.time}

    async def remember(self, sources: Iterable[Source]) -> None:
        await self._pipeline.run(
            [Call(("SET", _key(source), source.time, "PX", REPLAYED_TTL_MS)) for source in sources]
        )

    async def close(self) -> None:
        await self._pipeline.close()


def _key(source: Source) -> str:
    return keys.replayed(source.topic, source.partition, source.offset)
