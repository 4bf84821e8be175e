"""A coroutine that is tried before a task is made of it, as the eager tasks of Python 3.12 are."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


class Eager(Generic[T]):
    """It runs up to its first wait at once; where there is none, it is done. Else it is awaited as any other."""

    result: T

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self.is_done = False
        try:
            self._waits_for = coroutine.send(None)
        except StopIteration as end:
            self.result, self.is_done = end.value, True

    def __await__(self) -> Generator[Any, Any, T]:
        if self.is_done:
            return self.result
        waits_for = self._waits_for
        while True:
            try:
                sent = yield waits_for
            except BaseException as interruption:  # noqa: BLE001 - it is handed on to the coroutine
                step = partial(self._coroutine.throw, interruption)
            else:
                step = partial(self._coroutine.send, sent)
            try:
                waits_for = step()
            except StopIteration as end:
                return cast(T, end.value)
