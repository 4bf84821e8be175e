"""POST /v1/rank: the caller's own candidates in the order that suits a session, by its stored vector.

What the catalogue does not know, or what is not to be had, is told as dropped. Without a session that the token is
for, the order is anybody's; without Redis or a bundle it is the best that can be had, and `fallback` says why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from schemas import ranking, wire
from schemas.errors import RedisError
from schemas.placement import Placement
from schemas.ranking import Asked, Candidate
from schemas.recommendation import Model, Recommendation, TriggeredBy
from schemas.session import Session
from serving.http.begun import its_turn
from serving.http.metrics import Metrics
from serving.http.operations import Nothing, Operation, invalid
from serving.http.placements import Placements
from serving.http.problems import Refused
from serving.http.request import Caller, Request
from serving.http.response import Response
from serving.http.shelf import BUNDLE
from serving.http.turns import Turns
from serving.ranking import demand
from serving.ranking.assortment import Stocked
from serving.ranking.demand import Ranking
from serving.ranking.ranker import EMPTY_CATALOGUE
from serving.ranking.rules import withheld
from serving.state.readings import NOBODY, Remembered

REDIS: Final = "redis"
#: More is to be ranked than can be.
BUSY: Final = "busy"

_JSON: Final = "application/json"


class Reads(Protocol):
    """What this file needs of serving.state's Readings."""

    async def remembered(self, session_id: str) -> Remembered: ...


class Stocks(Protocol):
    """And of the shelf."""

    @property
    def stocked(self) -> Stocked: ...


class OnDemand:
    def __init__(
        self,
        shelf: Stocks,
        readings: Reads,
        placements: Placements,
        turns: Turns,
        metrics: Metrics,
        clickstream: str,
        now: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._shelf = shelf
        self._readings = readings
        self._placements = placements
        self._turns = turns
        self._metrics = metrics
        self._clickstream = clickstream
        self._now = now
        self._new_id = new_id

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "POST",
                "/v1/rank",
                "Your own candidates, ranked for a session",
                Nothing,
                self.answer,
                answers={200: ranking.Ranking},
                asks_at_once=True,
                bodies={_JSON: Asked},
                problems=(413, 415, 503),
                description="For lists that are yours: search results, a category page, a newsletter. Best first; what "
                "the catalogue does not know or what is not to be had is in `dropped`.",
                example={"session_id": "b7Qx2mT9", "candidates": ["a-1", "b-2", "c-3"], "limit": 2},
            )
        ]

    async def answer(self, _: Nothing, request: Request, caller: Caller) -> Response:
        asked = _read(request)
        placement = self._placements.named(asked.placement)
        known, lacks = NOBODY, None
        if asked.session_id is not None and caller.may_see(asked.session_id):
            try:
                known = await self._readings.remembered(asked.session_id)
            except RedisError:
                self._metrics.redis_failed.inc()
                lacks = REDIS
        else:
            await its_turn()
        ranked = await self._turns.take(lambda: self._ranked(asked, placement, known, lacks))
        self._metrics.fell_back(ranked.fallback)
        return Response(200, wire.ENCODER.encode(ranked), headers=(("Cache-Control", "private, no-store"),))

    async def list(
        self, session_id: str, known: Remembered, placement: Placement, exclude: frozenset[str], limit: int
    ) -> Recommendation | None:
        """A list made now, for when too little is left of the stored one; ServiceError when too many wait for theirs.

        None of a session that is not there, or without a bundle.
        """
        session = known.session
        if session is None or not self.could_list(known):
            return None
        return await self._turns.take(lambda: self._listed(session_id, session, known, placement, exclude, limit))

    def could_list(self, known: Remembered) -> bool:
        """Whether there is all that a list is made of."""
        has_clicked = known.session is not None and known.session.trigger is not None
        return has_clicked and len(self._shelf.stocked.ranker.table) > 0

    def _ranked(self, asked: Asked, placement: Placement, known: Remembered, lacks: str | None) -> ranking.Ranking:
        """From one snapshot, from its first line to its last."""
        stocked, now, session = self._shelf.stocked, self._now(), known.session or Session()
        found = demand.among(stocked, session, known.vector_by(stocked.version), now, asked.candidates)
        away = withheld(placement, session).union(asked.exclude)
        rules = self._placements.rules(placement, stocked.ranker.table)
        chosen = rules.choose([item.item_id for item in found.items], away, asked.limit)
        items = (found.items[at] for at in chosen)
        return ranking.Ranking(
            generated_at=now,
            model=Model(stocked.version, stocked.counts_version),
            placement=placement.name,
            items=tuple(
                Candidate(item.item_id, rank, item.score, item.source, item.reason)
                for rank, item in enumerate(items, start=1)
            ),
            dropped=tuple(found.dropped),
            session_version=session.version,
            fallback=lacks or _why(found),
        )

    def _listed(
        self,
        session_id: str,
        session: Session,
        known: Remembered,
        placement: Placement,
        exclude: frozenset[str],
        limit: int,
    ) -> Recommendation:
        stocked, now = self._shelf.stocked, self._now()
        rules = self._placements.rules(placement, stocked.ranker.table)
        away = exclude | withheld(placement, session)
        found = demand.anew(stocked, session, known.vector_by(stocked.version), now, rules, away, limit)
        return Recommendation(
            recommendation_id=self._new_id(),
            session_id=session_id,
            session_started=session.started,
            session_version=session.version,
            generated_at=now,
            trigger=TriggeredBy.of(session.trigger, self._clickstream),
            model=Model(stocked.version, stocked.counts_version),
            placement=placement.name,
            items=tuple(msgspec.structs.replace(item, rank=rank) for rank, item in enumerate(found.items, start=1)),
            pool_size=found.pool_size,
            fallback=_why(found),
        )


def _why(found: Ranking) -> str | None:
    return BUNDLE if found.fallback == EMPTY_CATALOGUE else found.fallback


def _read(request: Request) -> Asked:
    media_type = request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()
    if media_type != _JSON:
        raise Refused(415, "media_type", f"{_JSON} is read here")
    try:
        return ranking.read(request.body)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "invalid", "the body is not JSON") from None
