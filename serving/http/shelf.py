"""What an endpoint process answers from: the bundle in service, and what the catalogue says is not to be had.

It begins without a good bundle, too, and then knows nothing until one comes. A bad one is refused, and the one in
service stays. Whoever takes `stocked` once and makes a whole answer of it mixes no two bundles.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, TypeVar

from schemas.errors import BundleError
from schemas.item import Entry
from serving.ranking import demand
from serving.ranking.assortment import Assortment, Stocked
from serving.ranking.ranker import Ranker
from serving.state import stock, succession
from serving.state.patience import Patience
from serving.state.stock import Stock
from serving.state.succession import Succession

T = TypeVar("T")
log = logging.getLogger(__name__)

#: What may be named in `degraded`.
BUNDLE: Final = "bundle"
KAFKA: Final = "kafka"

#: Remembered of the catalogue where there is no bundle that would know any item.
_OFFERED_MAX: Final = 60


class Follows(Protocol):
    """What this file needs of serving.state's Following."""

    @property
    def refuses(self) -> bool: ...

    def first(self) -> Ranker: ...

    async def next(self) -> Ranker: ...

    async def aside(self, work: Callable[[], T]) -> T: ...


class Counts(stock.Counts, succession.Counts, Protocol):
    """And of the process's metrics."""


class Shelf:
    def __init__(
        self,
        following: Follows,
        follow: Callable[[], stock.Follows],
        endless: Patience,
        clock: Callable[[], float],
        metrics: Counts,
    ) -> None:
        """`follow` begins to read the catalogue from its start."""
        self._following = _Warmed(following)
        self._follow = follow
        self._endless = endless
        self._clock = clock
        self._metrics = metrics
        self._stock: Stock | None = None
        self._opening: asyncio.Task[None] | None = None
        #: In service. What is hidden of it changes, and nothing else.
        self.stocked = Assortment(Ranker.empty()).stocked
        self._successions = 0
        self._offered: dict[str, None] = {}

    @property
    def offered(self) -> Sequence[str]:
        """Some items that are to be had, as long as there is no bundle."""
        return list(self._offered)

    @property
    def edition(self) -> tuple[int, int]:
        """Another one whenever an answer made of the same list might be another."""
        return self._successions, self.stocked.absent.changes

    @property
    def degraded(self) -> frozenset[str]:
        """What is missing that answers should be made of."""
        parts = set()
        if self._following.refuses or not len(self.stocked.ranker.table):
            parts.add(BUNDLE)
        if self._stock is None or not self._stock.is_open or self._endless.retries:
            parts.add(KAFKA)
        return frozenset(parts)

    async def open(self, at_most_s: float) -> None:
        """Looks for a bundle, and reads the catalogue to its end or for so long: more of it may still come."""
        ranker = await self._first()
        self._stock = Stock(ranker, self._followed, self, self._endless, self._endless, self._clock, self._metrics)
        self._take(self._stock.stocked)
        self._opening = asyncio.create_task(self._stock.open(), name="catalogue")
        await asyncio.wait({self._opening}, timeout=at_most_s)

    async def run(self) -> None:
        """Follows both, until cancelled; `open` comes first."""
        if self._stock is None or self._opening is None:
            raise RuntimeError("a shelf is opened before it is run")
        await self._opening
        await asyncio.gather(self._stock.run(), Succession(self._following, self._stock, self._metrics).run())

    async def close(self) -> None:
        """After `open` and `run` have ended or were cancelled. What is in service still answers."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._stock is not None:
            await self._stock.close()

    async def succeed(self, ranker: Stocked) -> Stocked:
        before = self.stocked
        self._take(ranker)
        return before

    def miss(self, item_ids: Iterable[str]) -> None:
        """Nothing is to be done: stored lists are looked through whenever one is read."""

    def _followed(self) -> _Overheard:
        return _Overheard(self._follow(), self._hear)

    def _hear(self, entries: Sequence[Entry]) -> None:
        if len(self.stocked.ranker.table):
            return
        for entry in entries:
            if not entry.is_offered:
                self._offered.pop(entry.item_id, None)
            elif len(self._offered) < _OFFERED_MAX and entry.item_id not in self._offered:
                self._offered[entry.item_id] = None
                self._successions += 1

    def _take(self, stocked: Stocked) -> None:
        self.stocked = stocked
        self._successions += 1

    async def _first(self) -> Ranker:
        try:
            ranker = await self._following.first()
        except BundleError as error:
            self._metrics.bundle_refused.labels(error.reason).inc()
            log.error("there is no bundle to rank with, until one comes: %s", error)
            return Ranker.empty()
        self._metrics.model.labels(ranker.version).set(1)
        log.info("model %s ranks", ranker.version)
        return ranker


class _Warmed:
    """Whatever comes is ready to rank at once."""

    def __init__(self, following: Follows) -> None:
        self._following = following

    @property
    def refuses(self) -> bool:
        return self._following.refuses

    async def first(self) -> Ranker:
        return await self._warm(await self.aside(self._following.first))

    async def next(self) -> Ranker:
        return await self._warm(await self._following.next())

    async def aside(self, work: Callable[[], T]) -> T:
        return await self._following.aside(work)

    async def _warm(self, ranker: Ranker) -> Ranker:
        await self.aside(lambda: demand.warm(ranker))
        return ranker


class _Overheard:
    """A catalogue, and somebody who listens while it is read."""

    def __init__(self, catalogue: stock.Follows, heard: Callable[[Sequence[Entry]], None]) -> None:
        self._catalogue = catalogue
        self._heard = heard

    @property
    def caught_up(self) -> bool:
        return self._catalogue.caught_up

    async def next(self) -> list[Entry]:
        entries = await self._catalogue.next()
        self._heard(entries)
        return entries

    async def close(self) -> None:
        await self._catalogue.close()
