"""What Redis knows of letters and of the sessions they belong to, for a program that is not asynchronous."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Self

from nextclick.dead.letterbox import Found
from schemas.letter import Source
from schemas.session import State
from schemas.settings import Settings
from serving.state.redis import RedisSessionStore
from serving.state.replays import Replays

#: Sessions of a few KB that are read in one round trip.
_AT_ONCE: Final = 500


class Ledger:
    """Open within its block; every call is bounded and raises RedisError."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.redis

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        self._replays, self._sessions = Replays(self._url), RedisSessionStore(self._url)
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._replays.close())
        self._runner.run(self._sessions.close())
        self._runner.close()

    def sent_back(self, batch: Sequence[Found], marks: Mapping[int, int]) -> set[Source]:
        """Of these letters, those that lie below the mark of their partition or were sent back since."""
        below = {each.letter.source for each in batch if each.letter and each.offset < marks[each.partition]}
        above = {each.letter.source for each in batch if each.letter} - below
        return below | self._runner.run(self._replays.known(list(above)))

    def remember(self, sources: Iterable[Source]) -> None:
        return self._runner.run(self._replays.remember(sources))

    def states(self, session_ids: Collection[str]) -> dict[str, State]:
        names = sorted(session_ids)
        states: dict[str, State] = {}
        for at in range(0, len(names), _AT_ONCE):
            some = names[at : at + _AT_ONCE]
            states.update(zip(some, self._runner.run(self._sessions.read_many(some)), strict=True))
        return states
