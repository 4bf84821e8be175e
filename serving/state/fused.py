"""Redis behind a breaker: a round trip that fails costs those who wait for it their time, and nobody after them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from schemas.errors import NextclickError, RedisError
from serving.state.breaker import Breaker, Circuit
from serving.state.gathered import Asks
from serving.state.pipeline import Call, Reply

_RESTING: Final = "Redis did not answer a moment ago and is asked again in a moment; the metrics tell since when"


class Fused:
    def __init__(
        self,
        pipeline: Asks,
        breaker: Breaker,
        took: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`took` is told the seconds of each round trip; of one that failed, nothing."""
        self._pipeline = pipeline
        self._breaker = breaker
        self._took = took
        self._clock = clock

    @property
    def is_doubtful(self) -> bool:
        """Whether Redis answers is not known: nobody need wait behind who finds it out."""
        return self._breaker.circuit is not Circuit.CLOSED

    async def each(self, calls: Sequence[Call]) -> list[Reply | NextclickError]:
        """A reply that is a refusal is an answer too."""
        if not self._breaker.may_ask():
            raise RedisError(_RESTING)
        began = self._clock()
        try:
            replies = await self._pipeline.each(calls)
        except RedisError:
            self._breaker.failed()
            raise
        self._breaker.answered()
        self._took(self._clock() - began)
        return replies
