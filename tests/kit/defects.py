"""A worker that lacks a promise; a test that does not notice proves nothing: `python -m tests.kit.defects DEFECT`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final
from unittest.mock import patch

from schemas.settings import Settings
from serving.state.redis import RedisSessionStore
from serving.state.sessions import Draft, Stored
from stream import app
from stream.rewind import Rewind


class Defect(StrEnum):
    FORGETFUL = "forgetful"
    HASTY = "hasty"
    INDISCREET = "indiscreet"

    @property
    def module(self) -> tuple[str, str]:
        """How a test starts one."""
        return __name__, self.value


class Forgetful(Rewind):
    """Goes on at the committed offset, whatever Redis may have lost, and on whatever server."""

    async def begin(self, generation: int, committed: Mapping[int, int | None]) -> dict[int, int]:
        async with self._ranking.turn:
            firsts = await self._tells.starts(list(committed))
            starts = {at: firsts[at] if offset is None else offset for at, offset in committed.items()}
            self._course.begin(generation, starts)
            self._ranking.assign({self._lane(at): 0 for at in committed})
            return starts


class Hasty(Rewind):
    """Steps over three records of each partition, as clients have been seen to do after a rebalance."""

    async def begin(self, generation: int, committed: Mapping[int, int | None]) -> dict[int, int]:
        starts = await super().begin(generation, committed)
        return {partition: offset + 3 for partition, offset in starts.items()}


class Indiscreet(RedisSessionStore):
    """Fails on a shopper, and names them."""

    async def store(self, drafts: Sequence[Draft]) -> list[Stored]:
        try:
            raise KeyError(drafts[0].session_id)
        except KeyError as error:
            raise ValueError(f"no list for {drafts[0].session_id}") from error


_PARTS: Final[dict[Defect, tuple[str, type]]] = {
    Defect.FORGETFUL: ("Rewind", Forgetful),
    Defect.HASTY: ("Rewind", Hasty),
    Defect.INDISCREET: ("RedisSessionStore", Indiscreet),
}


if __name__ == "__main__":
    with patch.object(app, *_PARTS[Defect(sys.argv[1])]):
        sys.exit(app.run(Settings.read(os.environ, {})))
