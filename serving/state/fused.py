"""Redis behind a breaker: a round trip that fails costs those who wait for it their time, and nobody after them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from schemas.errors import RedisError
from serving.state.breaker import Breaker
from serving.state.gathered import Runs
from serving.state.pipeline import Call, Reply

_RESTING: Final = "Redis did not answer a moment ago and is asked again in a moment; the metrics tell since when"


class Fused:
    def __init__(
        self,
        pipeline: Runs,
        breaker: Breaker,
        took: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`took` is told the seconds of each round trip; of one that failed, nothing."""
        self._pipeline = pipeline
        self._breaker = breaker
        self._took = took
        self._clock = clock

    async def run(self, calls: Sequence[Call]) -> list[Reply]:
        if not self._breaker.may_ask():
            raise RedisError(_RESTING)
        began = self._clock()
        try:
            replies = await self._pipeline.run(calls)
        except RedisError:
            self._breaker.failed()
            raise
        self._breaker.answered()
        self._took(self._clock() - began)
        return replies
