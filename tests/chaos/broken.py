"""Workers with a defect that a gate must catch: `python -m tests.chaos.broken DEFECT`.

Each is the worker as it is, with one of its promises taken out before it starts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha1
from typing import Final
from unittest.mock import patch

from nextclick import cli
from schemas.errors import RedisError
from schemas.session import Outcome
from serving.state import scripts
from serving.state.redis import RedisSessionStore
from serving.state.scripts import Script
from serving.state.sessions import Folded, Mark, Work
from stream import app
from stream.intake import Letter
from stream.loop import Loop
from tests.kit.defects import Forgetful


def module(defect: str) -> Sequence[str]:
    """How the kit starts one."""
    assert defect in DEFECTS
    return __name__, defect


def _unguarded() -> None:
    """Folds what it is handed: no offset guard, and no event id that was seen before.

    Both go, because each covers for the other: what a killed worker leaves to be delivered again is, for
    all but the busiest sessions, still among the last 64 ids.
    """
    source = scripts.FOLD.source
    for promise in ("record.offset <= tonumber(s.guards[record.lane] or -1)", "not over and knows(s.i, record.hash)"):
        assert source.count(promise) == 1, f"fold.lua no longer says {promise!r}; find where the promise is now"
        source = source.replace(promise, "false")
    fold = Script(source, sha1(source.encode(), usedforsecurity=False).hexdigest())
    rest = tuple(each for each in scripts.ALL if each is not scripts.FOLD)
    patch.multiple(scripts, FOLD=fold, ALL=(fold, *rest)).start()


def _resigned() -> None:
    """Takes what Redis refuses for done, and never reads it again."""
    fold, settle = RedisSessionStore.fold, RedisSessionStore.settle

    async def folded(self: RedisSessionStore, works: Sequence[Work], marks: Sequence[Mark] = ()) -> list[Folded]:
        with suppress(RedisError):
            return await fold(self, works, marks)
        return [Folded(work.session_id, (Outcome.STALE,) * len(work.records), {}, None) for work in works]

    async def settled(self: RedisSessionStore, marks: Sequence[Mark]) -> None:
        with suppress(RedisError):
            await settle(self, marks)

    patch.multiple(RedisSessionStore, fold=folded, settle=settled).start()
    patch.object(app, "Rewind", Forgetful).start()


def _careless() -> None:
    """Keeps nothing of what it cannot read."""

    async def bury(self: Loop, letters: Sequence[Letter]) -> None:
        pass

    patch.object(Loop, "_bury", bury).start()


DEFECTS: Final[dict[str, Callable[[], None]]] = {
    "unguarded": _unguarded,
    "resigned": _resigned,
    "careless": _careless,
}


if __name__ == "__main__":
    DEFECTS[sys.argv[1]]()
    sys.exit(cli.main(["stream"]))
