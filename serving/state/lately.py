"""What was read lately, as much as there is room for; what was asked for last is the last to go."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Kept(Generic[T]):
    value: T
    confirmed_s: float


class Lately(Generic[T]):
    def __init__(self, kept_max: int, good_s: float, clock: Callable[[], float]) -> None:
        """Nothing is `good` any more so long after it was confirmed."""
        self._kept: OrderedDict[str, _Kept[T]] = OrderedDict()
        self._kept_max = kept_max
        self._good_s = good_s
        self._clock = clock

    def keep(self, name: str, value: T | None) -> None:
        """In place of what was kept under this name; None is nothing to keep."""
        self._kept.pop(name, None)
        if value is None:
            return
        if len(self._kept) >= self._kept_max:
            self._kept.popitem(last=False)
        self._kept[name] = _Kept(value, self._clock())

    def last(self, name: str) -> T | None:
        """However old it is."""
        kept = self._kept.get(name)
        if kept is None:
            return None
        self._kept.move_to_end(name)
        return kept.value

    def confirm(self, name: str, value: T) -> None:
        """It still is this one; unless it was forgotten meanwhile, or is another."""
        kept = self._kept.get(name)
        if kept is not None and kept.value is value:
            kept.confirmed_s = self._clock()

    def good(self, name: str) -> T | None:
        kept = self._kept.get(name)
        return None if kept is None or self._clock() - kept.confirmed_s >= self._good_s else kept.value

    def forget(self, name: str) -> None:
        self._kept.pop(name, None)
