"""Which sessions wait for a ranking, since when, and in which state: the worker's own view.

Redis holds the same as marks on a set per lane, for whoever comes after us. A session stays while an
event of its is being folded, a state of its waits or is being ranked, or a list of its is being sent;
it leaves when none of that is left.

While ranking keeps up, who has waited longest is next. When it does not, who was active last is: each of the
others has less and less to lose by waiting, and who has been silent for long is not ranked at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from serving.state.sessions import Folded, Mark


@dataclass(slots=True)
class _Entry:
    mark: Mark
    folding: bool = False
    ready: Folded | None = None
    ready_s: float = 0.0
    ranking: bool = False
    sending: int = 0

    @property
    def idle(self) -> bool:
        return not (self.folding or self.ready or self.ranking or self.sending)


class Pending:
    """Pure bookkeeping: no I/O, no clock of its own."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        #: The sessions of which a state waits: by how long one has, and by how long ago the newest came.
        self._queue: dict[str, None] = {}
        self._lately: dict[str, None] = {}
        self._last_mark = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def is_ready(self) -> bool:
        return bool(self._queue)

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def expect(self, session_id: str, lane: str, now: int) -> Mark | None:
        """An event is about to be folded; the mark to make first, unless the session bears one already."""
        entry = self._entries.get(session_id)
        new = entry is None
        if entry is None:
            # No two marks are equal: settling one that was just replaced must not take its successor off.
            self._last_mark = max(now, self._last_mark + 1)
            entry = self._entries[session_id] = _Entry(Mark(lane, session_id, self._last_mark))
        entry.folding = True
        return entry.mark if new else None

    def offer(self, folded: Folded, now_s: float = 0.0) -> bool:
        """The event is folded, and the state it left wants a ranking; whether an older state now gets none."""
        entry = self._entries.get(folded.session_id)
        if entry is None:  # its lane was released meanwhile
            return False
        replaces = entry.ready is not None
        entry.folding, entry.ready, entry.ready_s = False, folded, now_s
        if not entry.ranking:
            self._wait(folded.session_id)
        return replaces

    def dismiss(self, session_id: str, *, sending: bool = False) -> Mark | None:
        """The event is folded and nothing is to be ranked for it; at most, word of that is on its way out."""
        entry = self._entries.get(session_id)
        if entry is not None:
            entry.folding = False
            entry.sending += sending
        return self._leave(session_id)

    def take(self, at_most: int, *, latest: bool = False) -> list[Folded]:
        """The states to be ranked next, one a session: those that have waited longest, or the `latest`."""
        taken: list[Folded] = []
        for session_id in list(islice(reversed(self._lately) if latest else self._queue, at_most)):
            self._wait_no_more(session_id)
            entry = self._entries[session_id]
            if entry.ready is not None:
                taken.append(entry.ready)
                entry.ready, entry.ranking = None, True
        return taken

    def waiting_since(self, session_id: str) -> float:
        """When the newest of its states was offered."""
        return self._entries[session_id].ready_s

    def shed(self, before: int) -> dict[str, Mark | None]:
        """Who waits and was last active before that moment of record time is not ranked; their marks to settle."""
        silent: list[str] = []
        for session_id in self._lately:
            ready = self._entries[session_id].ready
            if ready is not None and ready.seen >= before:
                break
            silent.append(session_id)
        for session_id in silent:
            self._wait_no_more(session_id)
            self._entries[session_id].ready = None
        return {session_id: self._leave(session_id) for session_id in silent}

    def ranked(self, session_id: str, *, sending: bool) -> Mark | None:
        """The list is stored and now on its way out, or was refused and goes nowhere."""
        entry = self._entries.get(session_id)
        if entry is None:
            return None
        entry.ranking = False
        entry.sending += sending
        if entry.ready is not None:
            self._wait(session_id)
        return self._leave(session_id)

    def mark_of(self, session_id: str) -> Mark | None:
        entry = self._entries.get(session_id)
        return entry.mark if entry else None

    def sent(self, mark: Mark) -> Mark | None:
        """One list that was on its way under this mark has arrived, or a newer one took its place."""
        entry = self._entries.get(mark.session_id)
        if entry is None or entry.mark != mark:  # its lane went, and perhaps came back: another mark, another count
            return None
        entry.sending -= 1
        return self._leave(mark.session_id)

    def abandon(self, mark: Mark) -> None:
        """A list had to make room. The mark stays in Redis, so whoever owns the lane next makes it good."""
        self.sent(mark)

    def release(self, lane: str) -> list[str]:
        """The lane has another owner now, who finds its marks in Redis; the sessions that went."""
        gone = [name for name, entry in self._entries.items() if entry.mark.lane == lane]
        for session_id in gone:
            del self._entries[session_id]
            self._wait_no_more(session_id)
        return gone

    def _wait(self, session_id: str) -> None:
        self._queue.setdefault(session_id)
        self._lately.pop(session_id, None)
        self._lately[session_id] = None

    def _wait_no_more(self, session_id: str) -> None:
        self._queue.pop(session_id, None)
        self._lately.pop(session_id, None)

    def _leave(self, session_id: str) -> Mark | None:
        """The mark to settle if nothing of the session is left to do."""
        entry = self._entries.get(session_id)
        if entry is None or not entry.idle:
            return None
        return self._entries.pop(session_id).mark
