"""What is shown where there is no list of the session's own: what is popular, made in advance.

An unknown session, one that is over, and one that whoever asks has no business with get the very same bytes. They
name no session: `session_id` is "anybody", the version is 0.0.0, and no click triggered it.

Processes with the same bundle and the same catalogue give the same bytes, so that whoever polls through a load balancer
is told 304: it is ranked as of the full hour, and named by what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Protocol

import msgspec

from schemas import recommendation
from schemas.placement import Placement
from schemas.recommendation import ANYBODY, PUBLISHED, Item, Model, Recommendation, TriggeredBy
from schemas.session import Session
from serving.http.lists import Made
from serving.http.placements import Placements
from serving.http.shelf import BUNDLE
from serving.ranking import demand
from serving.ranking.assortment import Stocked
from serving.ranking.listed import chosen, restated
from serving.ranking.pool import POOL
from serving.ranking.table import Table

POPULAR: Final = "popular"

#: Made for so many placements, limits and reasons; beyond that the first are made again.
_KEPT_MAX: Final = 512
#: While items go and come, they are ranked anew so often.
_OUTDATED_MS: Final = 10_000
_HOUR_MS: Final = 3_600_000
_NOBODY: Final = Session()


class Stocks(Protocol):
    """What this file needs of the shelf."""

    @property
    def stocked(self) -> Stocked: ...

    @property
    def edition(self) -> tuple[int, int]: ...

    @property
    def offered(self) -> Sequence[str]:
        """Some items that are to be had, where there is no bundle."""


@dataclass(frozen=True, slots=True)
class _Ranked:
    table: Table
    edition: tuple[int, int]
    at: int
    body: Recommendation


class Fallback:
    def __init__(self, shelf: Stocks, placements: Placements, now: Callable[[], int]) -> None:
        self._shelf = shelf
        self._placements = placements
        self._now = now
        #: What all lists are chosen from.
        self._ranked: _Ranked | None = None
        #: Of the edition and the hour, by placement, limit and reason.
        self._made_of: tuple[tuple[int, int], int] | None = None
        self._made: dict[tuple[str, int, str], Made] = {}

    def made(self, placement: Placement, limit: int, why: str = POPULAR) -> Made:
        """Ready to be sent, and the same bytes until what is to be had changes, or the hour does."""
        made_of, key = (self._shelf.edition, self._hour()), (placement.name, limit, why)
        if made_of != self._made_of or (self._ranked is not None and self._is_late(self._ranked)):
            self._made_of = made_of
            self._made.clear()
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= _KEPT_MAX:
                self._made.clear()
            made = self._made[key] = _made(self.list(placement, limit, why))
        return made

    def list(
        self, placement: Placement, limit: int, why: str = POPULAR, exclude: frozenset[str] = frozenset()
    ) -> Recommendation:
        """With what is excluded left out; empty where the placement rather shows nothing, and then it says that."""
        stocked = self._shelf.stocked
        body = self._popular(stocked)
        rules = self._placements.rules(placement, stocked.ranker.table)
        shows = placement.fallback == POPULAR
        items = chosen(body.items, stocked, rules, exclude, limit) if shows else ()
        if why == POPULAR:
            why = BUNDLE if not len(stocked.ranker.table) else placement.fallback
        return _named(restated(body, items, placement.name, why))

    def _popular(self, stocked: Stocked) -> Recommendation:
        """The whole pool of a session that did nothing."""
        table = stocked.ranker.table
        if not len(table):
            return self._body(stocked, demand.as_given(self._shelf.offered))
        if self._ranked is None or self._is_outdated(self._ranked, stocked):
            rules = self._placements.rules(Placement.default(), table)
            found = demand.anew(stocked, _NOBODY, None, self._hour(), rules, frozenset(), POOL)
            self._ranked = _Ranked(table, self._shelf.edition, self._now(), self._body(stocked, found.items))
        return self._ranked.body

    def _is_outdated(self, ranked: _Ranked, stocked: Stocked) -> bool:
        """Of another table, of another hour; or so much has gone since that too little is left."""
        if ranked.table is not stocked.ranker.table or ranked.body.generated_at != self._hour():
            return True
        if ranked.edition == self._shelf.edition:
            return False
        items = ranked.body.items
        left = len(items) - len(stocked.gone([item.item_id for item in items]))
        return left < PUBLISHED or self._is_late(ranked)

    def _is_late(self, ranked: _Ranked) -> bool:
        """Something came back, or has gone, and that it was ranked is long ago."""
        return ranked.edition != self._shelf.edition and self._now() - ranked.at >= _OUTDATED_MS

    def _hour(self) -> int:
        """When it began."""
        now = self._now()
        return now - now % _HOUR_MS

    def _body(self, stocked: Stocked, items: Sequence[Item]) -> Recommendation:
        return Recommendation(
            recommendation_id="",
            session_id=ANYBODY,
            session_started=0,
            session_version=0,
            generated_at=self._hour(),
            trigger=TriggeredBy.of(None, ""),
            model=Model(stocked.version, stocked.counts_version),
            items=tuple(items),
            pool_size=len(items),
        )


def _named(body: Recommendation) -> Recommendation:
    """By all that it says: the same list has the same name, wherever it was made."""
    name = blake2b(recommendation.encode(body), digest_size=8).hexdigest()
    return msgspec.structs.replace(body, recommendation_id=name)


def _made(body: Recommendation) -> Made:
    encoded = recommendation.encode(body)
    return Made.of(encoded, "", body.generated_at, body.model.version, body.fallback)
