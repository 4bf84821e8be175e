"""Who waits for a session's next list is woken when there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from schemas import keys

#: A message may have been missed: so often whoever waits looks by itself.
LOOK_EVERY_S: Final = 2.0


class Bell:
    """One waiter's."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, at_most_s: float) -> bool:
        """Until it was rung since the last time, or it is time to look anyhow; whether it was."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(at_most_s, LOOK_EVERY_S)):
                await self._rung.wait()
        rung = self._rung.is_set()
        self._rung.clear()
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
