"""Which click was answered when, and what was wrong with an answer. Pure: times and lists come in.

A click's latency ends at the first list of its session whose trigger lies at or above the click in Kafka.
The list may come before Kafka's word on where the click lies; both orders are met. A click that has not
been answered within PATIENCE_S counts as infinitely late, until it is.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Final

import msgspec

from schemas import recommendation as wire
from schemas.recommendation import Recommendation

#: Long enough for anything but a stuck worker; a click younger than this may still be answered in time.
PATIENCE_S: Final = 5.0
#: What percentiles are taken over.
WINDOW: Final = 1_000
#: A list for a session that has been silent for longer would be a fault of its own.
MEMORY_S: Final = 600.0
#: What is kept of faults, to be shown.
FAULTS_MAX: Final = 20

Triple = tuple[int, int, int]


@dataclass(slots=True)
class _Shopper:
    #: (offset, time it was due) of clicks that wait for an answer.
    open: list[tuple[int, float]] = field(default_factory=list)
    #: (trigger offset, time) of lists, both rising: what came later for an older trigger answers nothing new.
    lists: list[tuple[int, float]] = field(default_factory=list)
    triple: Triple = (0, 0, 0)
    last_click: float = 0.0


class Answers:
    """The clicks that went out and the lists that came back."""

    def __init__(self, window: int | None = WINDOW) -> None:
        """Without a `window` every latency is kept."""
        self._shoppers: dict[str, _Shopper] = {}
        self._latencies: deque[float] = deque(maxlen=window)
        self.clicks = 0
        self.answered = 0
        self.lists = 0
        #: Clicks that were never answered while their session was remembered.
        self.lost = 0
        #: Lists that no subscriber should have got; the last of them in words.
        self.faulty = 0
        self.faults: deque[str] = deque(maxlen=FAULTS_MAX)

    def known(self, session_id: str, now: float) -> None:
        """A session that clicks, whether or not its click is measured."""
        self._shoppers.setdefault(session_id, _Shopper()).last_click = now

    def sent(self, session_id: str, due: float) -> None:
        """Before the click goes out, so that its list is never a stranger's."""
        self.clicks += 1
        self.known(session_id, due)

    def placed(self, session_id: str, offset: int, due: float) -> None:
        """Kafka holds a click of this session there; it was due then."""
        shopper = self._shoppers[session_id]
        first = bisect_left(shopper.lists, (offset, -inf))
        if first < len(shopper.lists):
            self._answer(shopper.lists[first][1] - due)
        else:
            insort(shopper.open, (offset, due))

    def received(self, body: bytes, now: float) -> Recommendation | None:
        """A record of the recommendations topic. None when it is no list for anybody here: a fault."""
        self.lists += 1
        try:
            found = wire.decode(body)
        except msgspec.MsgspecError as error:
            self._fault(f"a list that cannot be read: {error}")
            return None
        shopper = self._shoppers.get(found.session_id)
        triple = (found.session_started, found.session_version, found.revision)
        if shopper is None:
            self._fault(f"a list for {found.session_id}, who never clicked")
        elif not found.items:
            self._fault(f"an empty list for {found.session_id}")
        elif triple <= shopper.triple:
            self._fault(f"a list for {found.session_id} that is no newer than the last: {triple}")
        else:
            shopper.triple = triple
            self._close(shopper, found.trigger.offset, now)
            return found
        return None

    def unanswered(self, now: float) -> int:
        """Clicks that have waited too long."""
        return self.lost + sum(1 for _ in self._overdue(now))

    @property
    def waiting(self) -> int:
        """Clicks that Kafka holds and no list has answered."""
        return sum(len(shopper.open) for shopper in self._shoppers.values())

    def latency_s(self, share: float, now: float) -> float:
        """The time within which that share of clicks was answered."""
        return percentile(self.latencies_s(now), share)

    def latencies_s(self, now: float) -> list[float]:
        """Of the clicks in the window, and infinity for each that has waited too long."""
        return [*self._latencies, *(inf for _ in self._overdue(now))]

    def forget(self, now: float) -> None:
        """Drops sessions long over, so that a day of this does not fill the memory."""
        gone = [name for name, shopper in self._shoppers.items() if now - shopper.last_click > MEMORY_S]
        for name in gone:
            self.lost += len(self._shoppers.pop(name).open)

    def _close(self, shopper: _Shopper, offset: int, now: float) -> None:
        if not shopper.lists or shopper.lists[-1][0] < offset:
            shopper.lists.append((offset, now))
        reached = bisect_left(shopper.open, (offset + 1, -inf))
        for _, due in shopper.open[:reached]:
            self._answer(now - due)
        del shopper.open[:reached]

    def _answer(self, latency_s: float) -> None:
        self.answered += 1
        self._latencies.append(max(0.0, latency_s))

    def _overdue(self, now: float) -> Iterator[float]:
        for shopper in self._shoppers.values():
            for _, due in shopper.open:
                if now - due > PATIENCE_S:
                    yield due

    def _fault(self, what: str) -> None:
        self.faulty += 1
        self.faults.append(what)


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that `share` of all values do not exceed (nearest rank); nan of nothing."""
    if not values:
        return float("nan")
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]
