"""Users across sessions: what a batch tells of them, folded before it is acknowledged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from serving.state.profiles import Traces
from serving.state.sessions import SessionStore
from stream.metrics import Metrics
from stream.patience import Patience


class Profiles:
    """One a worker. Where they are not kept, orders to forget a user are still obeyed: others may keep them."""

    def __init__(self, store: SessionStore, patience: Patience, metrics: Metrics, *, kept: bool) -> None:
        self._store = store
        self._patience = patience
        self._metrics = metrics
        self._kept = kept

    async def remember(self, users: Sequence[Traces]) -> list[str]:
        """Those of whom nothing was known before. A batch that concerns no user asks nothing of Redis."""
        due = users if self._kept else list(filter(None, map(_orders, users)))
        if not due:
            return []
        remembered = await self._patience.run("folding profiles", lambda: self._store.remember(due))
        for outcome, count in Counter(outcome for each in remembered for outcome in each.outcomes).items():
            self._metrics.profile_events.labels(outcome.name.lower()).inc(count)
        return [each.user_id for each in remembered if each.begun]


def _orders(traces: Traces) -> Traces | None:
    orders = [record for record in traces.records if record.click is None]
    return Traces(traces.user_id, orders) if orders else None
