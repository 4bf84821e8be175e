"""The session store in memory: the same promises by the Python fold, for tests and for training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas import facts, profile
from schemas.profile import Profile
from schemas.recommendation import revised
from schemas.session import Outcome, State, fold
from serving.state.profiles import Remembered, Traces
from serving.state.sessions import Draft, Folded, Mark, Stored, StoredList, Work
from serving.state.watermarks import Held, Survey, Watermark, signature, strange, surveyed, written


class MemorySessionStore:
    """Keeps every session until the process ends; time to live is Redis' affair."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._lists: dict[str, StoredList] = {}
        self._profiles: dict[str, Profile] = {}
        self._pending: dict[str, dict[str, int]] = {}
        self._watermarks: dict[str, bytes] = {}
        #: What a restart or a failover of a real one would change.
        self.server = "memory"
        self._known: frozenset[str] = frozenset()

    async def fold(self, works: Sequence[Work], marks: Sequence[Mark] = ()) -> list[Folded]:
        self._mark(marks)
        self._refuse_if_strange()
        return [self._fold(work) for work in works]

    def _fold(self, work: Work) -> Folded:
        state, outcomes = self._states.get(work.session_id, State()), list[Outcome]()
        for record in work.records:
            state, outcome = fold(state, record)
            outcomes.append(outcome)
            if outcome is Outcome.ERASED:
                self._lists.pop(work.session_id, None)
        self._states[work.session_id] = state
        stored = self._lists.get(work.session_id)
        packed = facts.encode(state.session) if state.session else {}
        return Folded(work.session_id, tuple(outcomes), packed, stored.triple if stored else None)

    async def remember(self, works: Sequence[Traces]) -> list[Remembered]:
        self._refuse_if_strange()
        return [self._remember(work) for work in works]

    def _remember(self, work: Traces) -> Remembered:
        begun, outcomes = work.user_id not in self._profiles, list[Outcome]()
        for record in work.records:
            kept = self._profiles.get(work.user_id, Profile())
            self._profiles[work.user_id], outcome = profile.fold(kept, record)
            outcomes.append(outcome)
        return Remembered(work.user_id, tuple(outcomes), begun)

    async def profiles(self, user_ids: Sequence[str]) -> list[Profile]:
        return [self._profiles.get(user_id, Profile()) for user_id in user_ids]

    async def store(self, drafts: Sequence[Draft]) -> list[Stored]:
        return [self._store(draft) for draft in drafts]

    def _store(self, draft: Draft) -> Stored:
        state = self._states.get(draft.session_id, State())
        if state.session is None or state.session.started != draft.started:
            return Stored(None, "gone")
        erased = state.erased
        if erased and (erased.is_past(draft.trigger, draft.clicked_at) or draft.trigger_ts <= erased.at):
            return Stored(None, "erased")
        stored, revision = self._lists.get(draft.session_id), 0
        if stored and stored.triple[:2] > (draft.started, draft.version):
            return Stored(None, "older")
        if stored and stored.triple[:2] == (draft.started, draft.version):
            revision = stored.triple[2] + 1
        triple = (draft.started, draft.version, revision)
        self._lists[draft.session_id] = StoredList(triple, revised(draft.head, revision), draft.more, draft.applied)
        return Stored(revision)

    def _mark(self, marks: Sequence[Mark]) -> None:
        for mark in marks:
            lane = self._pending.setdefault(mark.lane, {})
            lane[mark.session_id] = max(mark.since, lane.get(mark.session_id, 0))

    async def settle(self, marks: Sequence[Mark]) -> None:
        for mark in marks:
            lane = self._pending.get(mark.lane, {})
            if lane.get(mark.session_id) == mark.since:
                del lane[mark.session_id]

    async def pending(self, lane: str) -> list[Mark]:
        marks = [Mark(lane, session_id, since) for session_id, since in self._pending.get(lane, {}).items()]
        return sorted(marks, key=lambda mark: (mark.since, mark.session_id))

    async def survey(self, lanes: Sequence[str]) -> Survey:
        return surveyed([self.server], {lane: [self._watermarks.get(lane, b"")] for lane in lanes})

    async def claim(self, survey: Survey, marks: Mapping[str, Watermark], owner: str) -> bool:
        if await self.survey(list(survey.written)) != survey:
            return False
        self._known = survey.servers
        self._watermarks |= {lane: written(mark, self._known, owner) for lane, mark in marks.items()}
        return True

    async def advance(self, marks: Mapping[str, Watermark], owner: str) -> Mapping[str, Held]:
        self._refuse_if_strange()
        fates = {lane: self._held(lane, owner) for lane in marks}
        moved = {lane: mark for lane, mark in marks.items() if fates[lane] is Held.MOVED}
        self._watermarks |= {lane: written(mark, self._known, owner) for lane, mark in moved.items()}
        return fates

    def _held(self, lane: str, owner: str) -> Held:
        word = self._watermarks.get(lane)
        if word is None:
            return Held.GONE
        return Held.MOVED if word.endswith(signature(owner)) else Held.FOREIGN

    async def discard(self, session_ids: Sequence[str], user_ids: Sequence[str] = ()) -> None:
        for user_id in user_ids:
            self._profiles.pop(user_id, None)
        for session_id in session_ids:
            self._states[session_id] = State(None, self._states.get(session_id, State()).erased)
            self._lists.pop(session_id, None)

    def _refuse_if_strange(self) -> None:
        if self._known and self.server not in self._known:
            raise strange(self.server)

    async def read(self, session_id: str) -> State:
        return self._states.get(session_id, State())

    async def recommendation(self, session_id: str) -> StoredList | None:
        return self._lists.get(session_id)

    async def close(self) -> None:
        return None
