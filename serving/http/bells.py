"""Who waits for a session's next list is woken when there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from schemas import keys

#: A message may have been missed: so often whoever waits looks by itself.
LOOK_EVERY_S: Final = 2.0


class Bell:
    """One waiter's."""

    def __init__(self) -> None:
        self._rung = False
        self._waiting: asyncio.Future[None] | None = None
        #: How long, all its waits together.
        self.waited_s = 0.0

    def ring(self) -> None:
        self._rung = True
        if self._waiting is not None:
            _wake(self._waiting)

    async def wait(self, at_most_s: float) -> bool:
        """Until it was rung since the last time, or it is time to look anyhow; whether it was."""
        if not self._rung:
            # A timer, since a deadline of asyncio's takes longer than all the rest of it.
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            self._waiting = loop.create_future()
            timer = loop.call_later(min(at_most_s, LOOK_EVERY_S), _wake, self._waiting)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self._waiting = None
                self.waited_s += loop.time() - began_s
        rung, self._rung = self._rung, False
        return rung


class Bells:
    def __init__(self) -> None:
        self._bells: dict[str, set[Bell]] = {}

    @contextmanager
    def heard(self, session_id: str) -> Iterator[Bell]:
        """From before the first look on, so that nothing falls between looking and waiting."""
        bell, name = Bell(), keys.fingerprint(session_id)
        self._bells.setdefault(name, set()).add(bell)
        try:
            yield bell
        finally:
            others = self._bells[name]
            others.discard(bell)
            if not others:
                del self._bells[name]

    def ring(self, fingerprint: str) -> None:
        for bell in self._bells.get(fingerprint, ()):
            bell.ring()

    def ring_all(self) -> None:
        """Also when the process drains: whoever waits looks up, and sees."""
        for bells in self._bells.values():
            for bell in bells:
                bell.ring()


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():  # cancelled, or rung just now
        waiting.set_result(None)
