"""GET /v1/items/{item_id}/similar: items like this one, and for the caller's own session in its order.

A session that the token is not for is as good as none, and so is one that is not there: nothing tells them apart.
A plain list is made once for every shelf, and is the same bytes until something in it changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import Meta

from schemas import wire
from schemas.errors import RedisError
from schemas.placement import DEFAULT, Placement, PlacementName
from schemas.recommendation import PUBLISHED, Model
from schemas.similar import SimilarItems
from schemas.wire import ItemId, SessionId
from serving.http.begun import its_turn
from serving.http.lists import etag
from serving.http.metrics import Metrics
from serving.http.operations import Excluded, Operation
from serving.http.problems import Refused
from serving.http.request import Caller, Request
from serving.http.response import Response
from serving.http.shelf import BUNDLE
from serving.ranking.assortment import Stocked
from serving.ranking.ranker import Ranker
from serving.ranking.rules import Rules, withheld
from serving.ranking.similar import SHARE, UNKNOWN_ITEM, Similar
from serving.ranking.table import Table
from serving.state.readings import Remembered

REDIS: Final = "redis"

#: Answers to who asks without a session, of 7 KB each.
_KEPT_MAX: Final = 2_048
#: An announced item is in a kept answer so much later than in others.
_KEPT_MS: Final = 60_000
_NOBODY: Final = Remembered(None, None, "")


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters."""

    item_id: ItemId
    limit: Annotated[int, Meta(ge=1, le=PUBLISHED, description="At most so many items.")] = PUBLISHED
    session_id: Annotated[SessionId, Meta(description="Your session, whose way has a say in the order.")] | None = None
    placement: Annotated[PlacementName, Meta(description="Whose rules the list is to keep.")] = DEFAULT
    exclude: Excluded = ()


class Reads(Protocol):
    """What this file needs of serving.state's Readings."""

    async def remembered(self, session_id: str) -> Remembered: ...


class Stocks(Protocol):
    """And of the shelf."""

    @property
    def stocked(self) -> Stocked: ...

    @property
    def edition(self) -> tuple[int, int]: ...


class Places(Protocol):
    """And of the shop's placements."""

    def named(self, name: str) -> Placement: ...

    def rules(self, of: Placement, table: Table) -> Rules: ...


class SimilarProducts:
    def __init__(
        self, shelf: Stocks, readings: Reads, placements: Places, metrics: Metrics, now: Callable[[], int]
    ) -> None:
        self._shelf = shelf
        self._readings = readings
        self._placements = placements
        self._metrics = metrics
        self._now = now
        self._similar = Similar(Ranker.empty())
        self._making = asyncio.Lock()
        #: What was asked for -> the shelf's edition and the stretch of time that the body is of.
        self._kept: dict[Asked, tuple[tuple[tuple[int, int], int], bytes]] = {}

    def operations(self) -> list[Operation[Any]]:
        return [
            Operation(
                "GET",
                "/v1/items/{item_id}/similar",
                "Items like an item",
                Asked,
                self.answer,
                answers={200: SimilarItems, 304: None},
                asks_at_once=True,
                problems=(404,),
                description="Without a session, or with one that the token is not for, the list is everybody's. "
                "No list has items that the session looked at, bought or has in its cart.",
                heeds={"If-None-Match": "The ETag of the answer that you have: 304 if it is still this one."},
                bears={
                    "ETag": "Changes with every byte of the answer.",
                    "Nextclick-Model": "The model that ranked it.",
                    "Nextclick-Fallback": "What was missing: redis or bundle.",
                },
            )
        ]

    async def answer(self, asked: Asked, request: Request, caller: Caller) -> Response:
        placement, exclude = self._placements.named(asked.placement), frozenset(asked.exclude)
        own = asked.session_id if asked.session_id is not None and caller.may_see(asked.session_id) else None
        known, lacks = await self._known(own)
        similar, stocked = await self._current()
        if not len(stocked.ranker.table):
            lacks = BUNDLE
        if known.session is not None or lacks is not None or exclude:
            body = self._made(similar, stocked, asked, placement, exclude, known, lacks)
        else:
            body = self._plain(similar, stocked, msgspec.structs.replace(asked, session_id=None), placement)
        return self._response(body, stocked.version, request.headers.get("if-none-match", ""), lacks)

    async def _known(self, session_id: str | None) -> tuple[Remembered, str | None]:
        """Of a session, and what was missing to know it."""
        if session_id is None:
            await its_turn()
            return _NOBODY, None
        try:
            return await self._readings.remembered(session_id), None
        except RedisError:
            self._metrics.redis_failed.inc()
            return _NOBODY, REDIS

    async def _current(self) -> tuple[Similar, Stocked]:
        """Both of one bundle. Who comes while another takes over waits for it: looking through its titles."""
        while (stocked := self._shelf.stocked).ranker is not self._similar.ranker:
            async with self._making:
                if self._similar.ranker is not stocked.ranker:
                    self._similar = await asyncio.to_thread(self._similar.over, stocked.ranker)
        return self._similar, stocked

    def _plain(self, similar: Similar, stocked: Stocked, asked: Asked, placement: Placement) -> bytes:
        moment = self._shelf.edition, self._now() // _KEPT_MS
        kept = self._kept.get(asked)
        if kept is not None and kept[0] == moment:
            return kept[1]
        body = self._made(similar, stocked, asked, placement, frozenset(), _NOBODY, None)
        if len(self._kept) >= _KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[asked] = moment, body
        return body

    def _made(
        self,
        similar: Similar,
        stocked: Stocked,
        asked: Asked,
        placement: Placement,
        exclude: frozenset[str],
        known: Remembered,
        lacks: str | None,
    ) -> bytes:
        session = known.session
        share = SHARE if placement.similar_share is None else placement.similar_share
        away = exclude if session is None else exclude | withheld(placement, session)
        found = similar.like(
            asked.item_id, self._now(), session, known.vector_by(stocked.version), share, stocked.hidden, away
        )
        if found.fallback == UNKNOWN_ITEM and len(stocked.ranker.table):
            raise Refused(404, "not_found", "the shop has no such item", "item_id")
        rules = self._placements.rules(placement, stocked.ranker.table)
        chosen = rules.choose([item.item_id for item in found.items], away, min(asked.limit, placement.limit))
        return wire.ENCODER.encode(
            SimilarItems(
                item_id=asked.item_id,
                model=Model(stocked.version, stocked.counts_version),
                placement=placement.name,
                items=tuple(
                    msgspec.structs.replace(found.items[at], rank=rank) for rank, at in enumerate(chosen, start=1)
                ),
                pool_size=found.pool_size,
                personal=found.personal,
                fallback=lacks,
            )
        )

    def _response(self, body: bytes, version: str, known: str, lacks: str | None) -> Response:
        tag = etag(body)
        headers: tuple[tuple[str, str], ...] = (
            ("ETag", tag),
            ("Cache-Control", "private, no-cache"),
            ("Nextclick-Model", version),
        )
        self._metrics.fell_back(lacks)
        if tag in (each.strip().removeprefix("W/") for each in known.split(",")):
            self._metrics.unchanged.inc()
            return Response(304, headers=headers)
        if lacks is not None:
            headers += (("Nextclick-Fallback", lacks),)
        return Response(200, body, headers=headers)
