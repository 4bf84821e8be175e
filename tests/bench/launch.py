"""The worker with one thing left out, to see what the rest costs: `python -m tests.bench.launch fold|each`.

fold    nobody needs a list: what is folded is marked, acknowledged and settled, and that is all
each    every event gets a list of its own, also where one of its session waits already
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from nextclick import cli
from serving.state.redis import RedisSessionStore
from serving.state.sessions import Folded, Mark, Work
from stream import app, intake, loop, ranking
from stream.intake import Delivery, Intake
from stream.pending import Pending

_NEWEST: Final = (2**53, 0, 0)


class Ranked(RedisSessionStore):
    """Whatever is folded into it, a list for it seems to be there already."""

    async def fold(self, works: Sequence[Work], marks: Sequence[Mark] = ()) -> list[Folded]:
        return [replace(folded, ranked=_NEWEST) for folded in await super().fold(works, marks)]


class Patient(Pending):
    """A state waits until the one before it is ranked, and takes no other's place."""

    def __init__(self) -> None:
        super().__init__()
        self._behind: dict[str, deque[Folded]] = {}

    def offer(self, folded: Folded, now_s: float = 0.0) -> bool:
        entry = self._entries.get(folded.session_id)
        if entry is None or not (entry.ready or entry.ranking):
            return super().offer(folded, now_s)
        entry.folding = False
        self._behind.setdefault(folded.session_id, deque()).append(folded)
        return False

    def ranked(self, session_id: str, *, sending: bool) -> Mark | None:
        behind = self._behind.get(session_id)
        if behind:
            self._entries[session_id].ready = behind.popleft()
        return super().ranked(session_id, sending=sending)


def one_by_one(deliveries: Sequence[Delivery], epoch: str) -> Intake:
    """Each record a work of its own; a single Redis keeps their order."""
    read = intake.read_batch(deliveries, epoch)
    works = [Work(work.session_id, [record]) for work in read.works for record in work.records]
    return Intake(works, read.users, read.letters)


def main(kind: str) -> int:
    if kind == "fold":
        setattr(app, "RedisSessionStore", Ranked)  # noqa: B010 - a stand-in, which types would not let in
    else:
        setattr(ranking, "Pending", Patient)  # noqa: B010
        setattr(loop, "read_batch", one_by_one)  # noqa: B010
    return cli.main(["stream"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
