"""What should not be and harms nobody at once: a person is told, and the worker goes on.

A redelivery is stale for a moment; of a topic that was cut back or made anew under its old epoch every event
is, for ever, and the guards drop it without a word.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stream.metrics import Metrics
from stream.progress import Lane

log = logging.getLogger(__name__)

_SHARE_MAX: Final = 0.01
_FOR_S: Final = 10.0
_WORDS: Final = {
    "stale_events": "more than 1 % of the events have been stale for 10 s: the guards in Redis are ahead of the topic",
    "committed_above_end": "the group has committed offsets above the end of the log",
}


@dataclass(frozen=True, slots=True)
class Staleness:
    """What was counted so far, and since when the share of stale events has been too high without a break."""

    events: float = 0.0
    stale: float = 0.0
    since: float | None = None
    lasts: bool = False


def weigh(before: Staleness, events: float, stale: float, now: float, *, rewinding: bool) -> Staleness:
    """Both are counters that only grow. A look at which no event came changes nothing."""
    new = events - before.events
    if rewinding:
        return Staleness(events, stale)
    if new <= 0:
        return before
    if stale - before.stale <= _SHARE_MAX * new:
        return Staleness(events, stale)
    since = now if before.since is None else before.since
    return Staleness(events, stale, since, lasts=now - since >= _FOR_S)


def is_above_end(lane: Lane) -> bool:
    heard = lane.heard
    return heard.committed is not None and heard.end is not None and heard.committed > heard.end


class Suspicions:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._staleness = Staleness()
        self._raised: set[str] = set()

    def look(self, lanes: Sequence[Lane], now: float, *, rewinding: bool) -> None:
        events, stale = self._metrics.events_so_far()
        self._staleness = weigh(self._staleness, events, stale, now, rewinding=rewinding)
        self._show("stale_events", self._staleness.lasts)
        self._show("committed_above_end", any(map(is_above_end, lanes)))

    def _show(self, what: str, holds: bool) -> None:
        self._metrics.suspicious.labels(what).set(holds)
        if holds and what not in self._raised:
            log.warning("%s; was the topic cut back or made anew? docs/architecture.md says what to do", _WORDS[what])
        if holds:
            self._raised.add(what)
        else:
            self._raised.discard(what)
