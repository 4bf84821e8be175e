"""Users across sessions: what a batch tells of them, folded before it is acknowledged, and told to the ranking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from serving.state.patience import Patience
from serving.state.profiles import Traces
from serving.state.sessions import Folded, SessionStore
from stream.metrics import Metrics

#: Sessions whose user we remember; the others' lists do without until the next click tells again.
_OWNERS_MAX: Final = 20_000


class Profiles:
    """One a worker. Where they are not kept, orders to forget a user are still obeyed: others may keep them."""

    def __init__(
        self, store: SessionStore, patience: Patience, metrics: Metrics, *, kept: bool = False, ranked: bool = False
    ) -> None:
        self._store = store
        self._patience = patience
        self._metrics = metrics
        self._kept = kept or ranked
        self._ranked = ranked
        #: Session -> user, the one that told of itself last at the end.
        self._owners: dict[str, str] = {}

    async def remember(self, users: Sequence[Traces]) -> list[str]:
        """Those of whom nothing was known before. A batch that concerns no user asks nothing of Redis."""
        due = users if self._kept else list(filter(None, map(_orders, users)))
        if not due:
            return []
        remembered = await self._patience.run("folding profiles", lambda: self._store.remember(due))
        for outcome, count in Counter(outcome for each in remembered for outcome in each.outcomes).items():
            self._metrics.profile_events.labels(outcome.name.lower()).inc(count)
        if self._ranked:
            self._note_owners(due)
        return [each.user_id for each in remembered if each.begun]

    async def recall(self, taken: Sequence[Folded]) -> Sequence[Folded]:
        """The same with what their users did before, as far as it is known."""
        owners = {entry.session_id: user for entry in taken if (user := self._owners.get(entry.session_id))}
        if not owners:
            return taken
        users = list(dict.fromkeys(owners.values()))
        profiles = await self._patience.run("reading profiles", lambda: self._store.profiles(users))
        earlier = {user: profile.actions() for user, profile in zip(users, profiles, strict=True)}
        return [
            replace(entry, earlier=earlier[owners[entry.session_id]]) if entry.session_id in owners else entry
            for entry in taken
        ]

    def _note_owners(self, users: Sequence[Traces]) -> None:
        for traces in users:
            for session_id in {record.click.session_id for record in traces.records if record.click}:
                self._owners.pop(session_id, None)
                self._owners[session_id] = traces.user_id
        while len(self._owners) > _OWNERS_MAX:
            del self._owners[next(iter(self._owners))]


def _orders(traces: Traces) -> Traces | None:
    orders = [record for record in traces.records if record.click is None]
    return Traces(traces.user_id, orders) if orders else None
