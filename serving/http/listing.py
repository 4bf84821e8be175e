"""A list as it is asked for, made of what there is.

    stored        what the worker made, without what is gone; under a placement's rules where one is asked for
    on demand     ranked now, where nothing is stored of a session that is there, or rules leave too little of it
    last good     what Redis said when it was last asked, while it does not answer
    popular       of a session that nobody knows

It stays the same bytes as long as nothing changes that it is made of, so that its ETag stands.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import closing, suppress
from typing import Final, Protocol

import msgspec

from schemas import recommendation
from schemas.errors import RedisError, ServiceError
from schemas.placement import Placement
from schemas.recommendation import PUBLISHED, Recommendation
from serving.http.begun import Begun
from serving.http.fallback import POPULAR, Fallback
from serving.http.lists import Made, Wanted
from serving.http.metrics import Metrics
from serving.http.placements import Placements
from serving.http.rank import BUSY, REDIS, OnDemand
from serving.http.shelf import Shelf
from serving.ranking import listed
from serving.ranking.rules import withheld
from serving.state.readings import NOBODY, Held, Remembered

#: Lists that were made, kept for who asks again.
_MADE_MAX: Final = 8_192
_NOTHING: Final[frozenset[str]] = frozenset()


class Reads(Protocol):
    """What this file needs of serving.state's Readings."""

    async def stored(self, session_id: str, *, changed: bool = False) -> Held | None: ...

    async def remembered(self, session_id: str) -> Remembered: ...

    def last_good(self, session_id: str) -> Held | None: ...

    def last_known(self, session_id: str) -> Remembered: ...


class _Found(msgspec.Struct, frozen=True):
    """What there is to make a list of."""

    session_id: str
    held: Held | None
    known: Remembered
    #: Redis did not answer, and this is what was known before.
    stale: bool


class Listing:
    def __init__(
        self,
        readings: Reads,
        shelf: Shelf,
        placements: Placements,
        on_demand: OnDemand,
        fallback: Fallback,
        metrics: Metrics,
    ) -> None:
        self._readings = readings
        self._shelf = shelf
        self._placements = placements
        self._on_demand = on_demand
        self._fallback = fallback
        self._metrics = metrics
        #: With all that it was made of; the first made is the first to go.
        self._made: dict[Wanted, tuple[Hashable, Made]] = {}

    async def make(self, wanted: Wanted, *, changed: bool = False) -> Made:
        placement = self._placements.named(wanted.placement)
        if wanted.session_id is None:
            return self._popular(wanted, placement, POPULAR)
        found = await self._find(wanted.session_id, placement, changed=changed)
        if found.held is None and not found.stale and found.known.session is None:
            found = await self._without_list(found, placement)
        if found.held is None and found.stale:
            return self._popular(wanted, placement, REDIS)
        made = await self._kept_or_made(wanted, found, placement)
        if made is None:
            why = BUSY if self._on_demand.could_list(found.known) else POPULAR
            return self._popular(wanted, placement, why)
        return made

    async def stored(self, wanted: Wanted, *, changed: bool = False) -> Made | None:
        placement = self._placements.named(wanted.placement)
        if wanted.session_id is None:
            return None
        found = await self._find(wanted.session_id, placement, changed=changed)
        return None if found.held is None else await self._kept_or_made(wanted, found, placement)

    async def _kept_or_made(self, wanted: Wanted, found: _Found, placement: Placement) -> Made | None:
        basis = _basis(found, placement, self._shelf.edition)
        kept = self._made.get(wanted)
        if kept is not None and kept[0] == basis:
            self._metrics.lists.add("cached")
            return kept[1]
        made = await self._make(wanted, found, placement)
        if made is not None:
            self._keep(wanted, basis, made)
        return made

    async def _find(self, session_id: str, placement: Placement, *, changed: bool) -> _Found:
        """In one round trip, also where a placement hides what the session did."""
        try:
            if placement.hide:
                asked = Begun(self._readings.remembered(session_id))
                with closing(asked):
                    held, known = await self._readings.stored(session_id, changed=changed), await asked
            else:
                held, known = await self._readings.stored(session_id, changed=changed), NOBODY
        except RedisError:
            return self._last_known(session_id, placement)
        return _Found(session_id, held, known, stale=False)

    async def _without_list(self, found: _Found, placement: Placement) -> _Found:
        """What else there is to make one of."""
        try:
            known = await self._readings.remembered(found.session_id)
        except RedisError:
            return self._last_known(found.session_id, placement)
        return msgspec.structs.replace(found, known=known)

    def _last_known(self, session_id: str, placement: Placement) -> _Found:
        self._metrics.redis_failed.inc()
        known = self._readings.last_known(session_id) if placement.hide else NOBODY
        return _Found(session_id, self._readings.last_good(session_id), known, stale=True)

    async def _make(self, wanted: Wanted, found: _Found, placement: Placement) -> Made | None:
        held = found.held
        if held is not None and wanted.is_plain:
            body = listed.shown(held.body, held.more, self._shelf.stocked)
            if body is held.body or len(listed.named(body)) == PUBLISHED:
                return self._stored(held, body, stale=found.stale)
        limit = min(wanted.limit, placement.limit)
        if held is None:
            return await self._ranked(wanted, found, placement, limit, None)
        placed = self._placed(wanted, found, held, placement, limit)
        if not found.stale and len(placed.items) < limit:
            longer = await self._ranked(wanted, found, placement, limit, placed)
            if longer is not None:
                return longer
        return _made(placed, wanted, held.applied)

    def _stored(self, held: Held, body: bytes, *, stale: bool) -> Made:
        self._metrics.lists.add("last_good" if stale else "stored")
        fallback = REDIS if stale else held.fallback
        if stale:
            told = recommendation.decode(body)
            body = recommendation.encode(msgspec.structs.replace(told, fallback=fallback))
        return Made.of(body, held.triple, held.generated_at, held.model.version, fallback, held.applied)

    def _placed(self, wanted: Wanted, found: _Found, held: Held, placement: Placement, limit: int) -> Recommendation:
        stocked = self._shelf.stocked
        rules = self._placements.rules(placement, stocked.ranker.table)
        away = wanted.exclude | _withheld(placement, found.known)
        items = listed.placed(held.body, held.more, stocked, rules, away, limit)
        self._metrics.lists.add("last_good" if found.stale else "stored")
        body = recommendation.decode(held.body)
        return listed.restated(body, items, placement.name, REDIS if found.stale else None)

    async def _ranked(
        self, wanted: Wanted, found: _Found, placement: Placement, limit: int, placed: Recommendation | None
    ) -> Made | None:
        """What can be ranked now, if that is more than is stored; nothing of a session that is not there."""
        known, ranked = found.known, None
        with suppress(ServiceError):
            if placed is not None and known.session is None:  # else it has been looked for
                known = await self._readings.remembered(found.session_id)
            ranked = await self._on_demand.list(found.session_id, known, placement, wanted.exclude, limit)
        if ranked is None or known.session is None or (placed and len(ranked.items) <= len(placed.items)):
            return None
        self._metrics.lists.add("ranked")
        if placed is not None and _version(placed) == _version(ranked):
            ranked = msgspec.structs.replace(ranked, revision=placed.revision)
        return _made(ranked, wanted, known.session.guards)

    def _popular(self, wanted: Wanted, placement: Placement, why: str) -> Made:
        self._metrics.lists.add("fallback")
        limit = min(wanted.limit, placement.limit)
        if not (wanted.exclude or wanted.fields):
            return self._fallback.made(placement, limit, why)
        return _made(self._fallback.list(placement, limit, why, wanted.exclude), wanted, {})

    def _keep(self, wanted: Wanted, basis: Hashable, made: Made) -> None:
        if wanted not in self._made and len(self._made) >= _MADE_MAX:
            del self._made[next(iter(self._made))]
        self._made[wanted] = basis, made


def _basis(found: _Found, placement: Placement, edition: tuple[int, int]) -> Hashable:
    """All that the bytes of what is wanted hang on."""
    session = found.known.session
    version = None if session is None else (session.started, session.version)
    triple = None if found.held is None else found.held.triple
    return triple, version, _withheld(placement, found.known), found.stale, edition


def _withheld(placement: Placement, known: Remembered) -> frozenset[str]:
    return _NOTHING if known.session is None else frozenset(withheld(placement, known.session))


def _version(body: Recommendation) -> tuple[int, int]:
    return body.session_started, body.session_version


def _made(body: Recommendation, wanted: Wanted, applied: Mapping[str, int]) -> Made:
    encoded = _encoded(body, wanted.fields)
    triple = f"{body.session_started}.{body.session_version}.{body.revision}" if body.session_version else ""
    told = triple, body.generated_at, body.model.version, body.fallback
    return Made.of(encoded, *told, applied)


def _encoded(body: Recommendation, fields: frozenset[str]) -> bytes:
    encoded = recommendation.encode(body)
    if not fields:
        return encoded
    whole = msgspec.json.decode(encoded)
    items: Sequence[dict[str, object]] = whole["items"]
    whole["items"] = [{name: value for name, value in item.items() if name in fields} for item in items]
    return msgspec.json.encode(whole)
