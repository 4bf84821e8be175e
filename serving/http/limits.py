"""How often may be asked: buckets in Redis that all processes share, or this process's own while Redis does not answer.

Requests that come while Redis is being asked go with the next question, all in one script.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

from schemas.errors import NextclickError
from serving.http.buckets import Bucket, Buckets, By, Shortage
from serving.state import scripts
from serving.state.gathered import Runs
from serving.state.pipeline import Call

#: A request does not wait longer to be counted.
_ANSWER_S: Final = 0.05
#: Between looks whether a Redis that was away, or slow, is back.
_AWAY_S: Final = 1.0
#: More make nobody's answer come sooner, and Lua takes no more values at once than some thousands.
_TOGETHER_MAX: Final = 256

Asked = tuple[Sequence[Bucket], asyncio.Future[Shortage | None]]


class Watch(Protocol):
    """Is told what is worth counting."""

    def limited(self, by: By) -> None: ...

    def counted_here(self) -> None: ...


class Limits:
    def __init__(self, redis: Runs, watch: Watch, clock_us: Callable[[], int]) -> None:
        self._redis = redis
        self._watch = watch
        self._clock_us = clock_us
        self._own = Buckets()
        self._waiting: list[Asked] = []
        self._running: asyncio.Task[None] | None = None
        self._away = False

    async def take(self, buckets: Sequence[Bucket]) -> Shortage | None:
        """What the request lacks; None when it may go on. It fails open: Redis being away refuses nobody."""
        shortage = self._take_here(buckets) if self._away else await self._take_in_redis(buckets)
        if shortage is not None:
            self._watch.limited(shortage.by)
        return shortage

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    def _take_here(self, buckets: Sequence[Bucket]) -> Shortage | None:
        self._watch.counted_here()
        return self._own.take(buckets, self._clock_us())

    async def _take_in_redis(self, buckets: Sequence[Bucket]) -> Shortage | None:
        future: asyncio.Future[Shortage | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((buckets, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="limits")
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting[:_TOGETHER_MAX], self._waiting[_TOGETHER_MAX:]
                try:
                    async with asyncio.timeout(_ANSWER_S):
                        fates = await self._asked([buckets for buckets, _ in together])
                except (NextclickError, TimeoutError):
                    self._away = True
                    self._waiting, together = [], together + self._waiting
                    fates = [self._take_here(buckets) for buckets, _ in together]
                for (_, future), fate in zip(together, fates, strict=True):
                    if not future.done():
                        future.set_result(fate)
                while self._away:
                    self._away = not await self._is_back()
        finally:
            self._running = None

    async def _is_back(self) -> bool:
        await asyncio.sleep(_AWAY_S)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await self._asked([])
        except NextclickError:
            return False
        return loop.time() - began < _ANSWER_S

    async def _asked(self, requests: Sequence[Sequence[Bucket]]) -> list[Shortage | None]:
        (reply,) = await self._redis.run([question(requests)])
        return answers(requests, cast(list[bytes], reply))


def question(requests: Sequence[Sequence[Bucket]]) -> Call:
    places: dict[str, int] = {}
    spans: list[int] = []
    wanted: list[int] = []
    for buckets in requests:
        wanted.append(len(buckets))
        for bucket in buckets:
            place = places.get(bucket.name)
            if place is None:
                place = places[bucket.name] = len(places) + 1
                spans += (bucket.interval_us, bucket.depth_us)
            wanted.append(place)
    return Call.script(scripts.RATES, list(places), *spans, *wanted)


def answers(requests: Sequence[Sequence[Bucket]], reply: Sequence[bytes]) -> list[Shortage | None]:
    _, fates, *waits = reply
    waiting = iter(waits)
    return [
        Shortage(buckets[int(fate) - 1].by, int(next(waiting))) if fate != "0" else None
        for buckets, fate in zip(requests, fates.decode(), strict=True)
    ]
