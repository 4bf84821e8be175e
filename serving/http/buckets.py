"""Token buckets, each one number: when it is full again. rates.lua is the same in Redis, for all processes at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Self

By = Literal["key", "session", "address"]

_SECOND_US: Final = 1_000_000
#: Buckets that one process keeps in its own memory, a few megabytes.
_KEPT_MAX: Final = 65_536


@dataclass(frozen=True, slots=True)
class Rate:
    per_second: int
    burst: int

    @classmethod
    def read(cls, setting: str) -> Self:
        per_second, _, burst = setting.partition("/")
        return cls(int(per_second), int(burst))

    def bucket(self, by: By, name: str) -> Bucket:
        interval_us = _SECOND_US // self.per_second
        return Bucket(name, by, interval_us, interval_us * self.burst)


class Bucket(NamedTuple):
    name: str
    by: By
    #: How long a token takes to come.
    interval_us: int
    #: How long an empty bucket takes to be full.
    depth_us: int


class Shortage(NamedTuple):
    """Which bucket had no token, and when it has one."""

    by: By
    wait_us: int


class Buckets:
    """Those of one process; what is not there is full. Past the most that are kept, the longest unasked goes."""

    def __init__(self, kept_max: int = _KEPT_MAX) -> None:
        self.full_at: Final[OrderedDict[str, int]] = OrderedDict()
        self._kept_max = kept_max

    def take(self, buckets: Sequence[Bucket], now_us: int) -> Shortage | None:
        """One token out of each, or, where one lacks it, none out of any."""
        after: list[int] = []
        for bucket in buckets:
            empty_us = now_us + bucket.depth_us
            full_us = min(max(self.full_at.get(bucket.name, now_us), now_us), empty_us) + bucket.interval_us
            if full_us > empty_us:
                self.full_at.move_to_end(bucket.name)
                return Shortage(bucket.by, full_us - empty_us)
            after.append(full_us)
        for bucket, full_us in zip(buckets, after, strict=True):
            self.full_at[bucket.name] = full_us
            self.full_at.move_to_end(bucket.name)
        while len(self.full_at) > self._kept_max:
            self.full_at.popitem(last=False)
        return None
