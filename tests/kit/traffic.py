"""Shoppers made by chance, the same ones for the same seed: who clicks what, in which order, and what is sent twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import Final

from schemas.click import Click, EventType
from schemas.wire import EpochMs
from tests.kit.shop import ITEMS

#: Of a hundred events; those of a shop whose widgets report what they show.
EVERYTHING: Final[dict[EventType, int]] = {
    "view": 70, "cart": 8, "remove": 3, "purchase": 4, "like": 5, "impression": 10,
}  # fmt: skip
#: Where every event is to be answered by a list.
VIEWS: Final[dict[EventType, int]] = {"view": 1}

#: How many records later a producer that heard no answer sends again, at most.
_AGAIN_MAX: Final = 20
#: The share of all time that one session takes up.
_SPAN: Final = 0.2


@dataclass(frozen=True)
class Traffic:
    """What is sent: `events`, some of them twice."""

    seed: int
    events: int
    sessions: int
    #: The share that the producer sends twice.
    duplicates: float = 0.02
    #: The share that one of the sessions gets.
    hot: float = 0.0
    #: Who the sessions belong to; 0 where nobody is known.
    users: int = 0
    kinds: dict[EventType, int] = field(default_factory=lambda: EVERYTHING)

    def clicks(self, run: str, now: int) -> list[Click]:
        """In the order to be sent. `run` is what the session ids begin with, `now` what all the times are."""
        random = Random(self.seed)
        once = [
            Click(
                event_id=f"{run}-{number}",
                session_id=f"{run}-{session}",
                type=random.choices(list(self.kinds), list(self.kinds.values()))[0],
                ts=EpochMs(now),
                item_id=random.choice(ITEMS),
                user_id=f"{run}-u{session % self.users}" if self.users else None,
            )
            for number, session in enumerate(self._sessions(random))
        ]
        twice = [(at + random.randint(1, _AGAIN_MAX), click) for at, click in enumerate(once)
                 if random.random() < self.duplicates]  # fmt: skip
        return [click for _, click in sorted([*enumerate(once), *twice], key=lambda each: each[0])]

    def waves(self, run: str, now: Callable[[], int]) -> Iterator[Click]:
        """The same shop again and again, each time with other sessions, for as long as anybody asks."""
        for wave in count():
            yield from replace(self, seed=self.seed + wave).clicks(f"{run}-{wave}", now())

    def _sessions(self, random: Random) -> list[int]:
        """Whose event each is. Most sessions are short and a few long; they begin and end all the time."""
        lengths = [random.lognormvariate(0, 1) for _ in range(self.sessions)]
        starts = [random.uniform(0, 1 - _SPAN) for _ in range(self.sessions)]
        owners = random.choices(range(self.sessions), lengths, k=self.events)
        timed = [
            (random.random(), hot_session(self.sessions))
            if random.random() < self.hot
            else (starts[owner] + _SPAN * random.random(), owner)
            for owner in owners
        ]
        return [owner for _, owner in sorted(timed)]


def hot_session(sessions: int) -> int:
    """The number of the session that is hot: one more than the others."""
    return sessions
