"""Rankings take turns with everybody who only wants what is ready.

One takes about a millisecond, on the event loop itself. In a thread of the same interpreter rankings took longer in
most trials, and so did one poll in ten (on two cores that had other work too). Between two of them whoever waits on a
socket is served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from schemas.errors import ServiceError

T = TypeVar("T")

#: More would wait longer than anybody does for a page.
_WAITING_MAX: Final = 128


class Turns:
    def __init__(self, waiting_max: int = _WAITING_MAX) -> None:
        self._waiting_max = waiting_max
        self._waiting = 0
        self._turn = asyncio.Lock()

    async def take(self, work: Callable[[], T]) -> T:
        """What the work makes, when it is its turn; ServiceError when too many wait."""
        if self._waiting >= self._waiting_max:
            raise ServiceError("more is to be ranked than can be; ask again in a second")
        self._waiting += 1
        try:
            await self._turn.acquire()
            try:
                return work()
            finally:
                # The next one's turn comes when the loop has looked around; this answer goes out before.
                asyncio.get_running_loop().call_soon(self._turn.release)
        finally:
            self._waiting -= 1
