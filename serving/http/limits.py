"""How often may be asked: buckets in Redis that all processes share, or this process's own while Redis does not answer.

Requests that come while Redis is being asked go with the next question, all in one script; it travels with whatever
else they ask of Redis.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

from serving.http.buckets import Bucket, Buckets, By, Shortage
from serving.state import scripts
from serving.state.gathered import Joint
from serving.state.pipeline import Call, Reply

#: More make nobody's answer come sooner, and Lua takes no more values at once than some thousands.
_TOGETHER_MAX: Final = 256

Asked = tuple[Sequence[Bucket], asyncio.Future[Shortage | None]]


class Watch(Protocol):
    """Is told what is worth counting."""

    def limited(self, by: By) -> None: ...

    def counted_here(self) -> None: ...


class Joins(Protocol):
    """What this file needs of serving.state's Gathered."""

    def join(self, made: Callable[[], Joint]) -> None: ...


class Limits:
    def __init__(self, redis: Joins, watch: Watch, clock_us: Callable[[], int]) -> None:
        self._redis = redis
        self._watch = watch
        self._clock_us = clock_us
        self._own = Buckets()
        self._waiting: list[Asked] = []

    def take(self, buckets: Sequence[Bucket]) -> asyncio.Future[Shortage | None]:
        """What the request lacks; None when it may go on. It fails open: Redis being away refuses nobody."""
        future: asyncio.Future[Shortage | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((buckets, future))
        if len(self._waiting) == 1:
            self._redis.join(self._question)
        return future

    def take_here(self, buckets: Sequence[Bucket]) -> Shortage | None:
        self._watch.counted_here()
        return self._own.take(buckets, self._clock_us())

    def tell(self, future: asyncio.Future[Shortage | None], shortage: Shortage | None) -> None:
        if shortage is not None:
            self._watch.limited(shortage.by)
        if not future.done():  # whoever asked may have left
            future.set_result(shortage)

    def _question(self) -> _Question:
        asking, self._waiting = self._waiting[:_TOGETHER_MAX], self._waiting[_TOGETHER_MAX:]
        if self._waiting:
            self._redis.join(self._question)
        return _Question(self, asking)


class _Question:
    """Of one round trip, and whom it is for: meanwhile others may ask."""

    def __init__(self, limits: Limits, asking: Sequence[Asked]) -> None:
        self._limits = limits
        self._asking = asking
        self.call: Final = question([buckets for buckets, _ in asking])

    def told(self, reply: Reply) -> None:
        fates = answers([buckets for buckets, _ in self._asking], cast(list[bytes], reply))
        for (_, future), shortage in zip(self._asking, fates, strict=True):
            self._limits.tell(future, shortage)

    def failed(self) -> None:
        for buckets, future in self._asking:
            self._limits.tell(future, self._limits.take_here(buckets))


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
    if not waits:
        return [None] * len(requests)
    waiting = iter(waits)
    return [
        Shortage(buckets[int(fate) - 1].by, int(next(waiting))) if fate != "0" else None
        for buckets, fate in zip(requests, fates.decode(), strict=True)
    ]
