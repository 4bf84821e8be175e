"""What ranks, kept in step with the catalogue: read to its end before anything is taken in, then followed for ever.

Another bundle takes over when the catalogue has been read to its end for it, too; until then the one in service is
kept in step. While Kafka is away, all is as it was last said to be.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from prometheus_client import Counter, Gauge

from schemas.item import Entry
from serving.ranking.assortment import Assortment, Stocked
from serving.ranking.ranker import Ranker
from serving.state.patience import Patience

log = logging.getLogger(__name__)

#: Between two times that the ranker grows: a table is made anew, and whoever asks it begins with nothing at hand.
GROW_EVERY_S: Final = 1.0


class Follows(Protocol):
    """What this file needs of serving.state's Catalogue."""

    @property
    def caught_up(self) -> bool: ...

    async def next(self) -> list[Entry]: ...

    async def close(self) -> None: ...


class Ranks(Protocol):
    """And of whoever ranks with it."""

    async def succeed(self, ranker: Stocked) -> object: ...

    def miss(self, item_ids: Iterable[str]) -> None: ...


class Counts(Protocol):
    """And of a process's metrics."""

    catalogue_entries: Counter
    catalogue_hidden: Gauge
    catalogue_newcomers: Gauge


@dataclass(frozen=True, slots=True)
class _Shelf:
    """One bundle's assortment, and how far into the catalogue it is."""

    assortment: Assortment
    catalogue: Follows


class Stock:
    def __init__(
        self,
        ranker: Ranker,
        follow: Callable[[], Follows],
        ranking: Ranks,
        patience: Patience,
        endless: Patience,
        clock: Callable[[], float],
        metrics: Counts,
    ) -> None:
        self._follow = follow
        self._ranking = ranking
        self._patience = patience
        self._endless = endless
        self._clock = clock
        self._grown_s = -GROW_EVERY_S
        self._metrics = metrics
        self._shelf = self._laid(ranker)
        #: Whether whoever ranks knows all that was there.
        self.is_open = False
        #: Entries read so far, and how many they were when somebody last asked for an excuse.
        self._entries = self._excused = 0
        #: Held while the shelf in service is seen to, so that no other takes its place meanwhile.
        self._turn = asyncio.Lock()

    @property
    def stocked(self) -> Stocked:
        """What ranks, as far as the catalogue has been read for it."""
        return self._shelf.assortment.stocked

    async def open(self) -> None:
        """Takes as long as reading the whole catalogue does, but no longer than the budget without an answer."""
        while not self._shelf.catalogue.caught_up:
            await self._restock(self._shelf, self._patience)
        await self._ranking.succeed(await self._grown(self._shelf))
        self.is_open = True
        log.info("the catalogue is read: %d entries, %d items hidden, %d that are new",
                 self._entries, self._shelf.assortment.hidden, self._shelf.assortment.newcomers)  # fmt: skip

    def excuse(self) -> str | None:
        """Why nothing is taken in yet, as long as the reading goes on."""
        before, self._excused = self._excused, self._entries
        return "reading the catalogue" if not self.is_open and self._entries != before else None

    async def run(self) -> None:
        """Follows the catalogue, until cancelled."""
        while True:
            async with self._turn:
                assortment = self._shelf.assortment
                self._ranking.miss(await self._restock(self._shelf, self._endless))
                if assortment.outgrown and self._clock() - self._grown_s >= GROW_EVERY_S:
                    await self._ranking.succeed(await self._grown(self._shelf))
                self._metrics.catalogue_hidden.set(assortment.hidden)
                self._metrics.catalogue_newcomers.set(assortment.newcomers)

    async def succeed(self, ranker: Ranker) -> Stocked:
        """Ranks with this one, once it knows the whole catalogue; the one before it."""
        coming = self._laid(ranker)
        gone: list[str] = []
        while not coming.catalogue.caught_up:
            gone += await self._restock(coming, self._endless)
        async with self._turn:
            before, self._shelf = self._shelf, coming
            await self._ranking.succeed(await self._grown(coming))
        # The one before may not have been told of these any more.
        self._ranking.miss(gone)
        await before.catalogue.close()
        return before.assortment.stocked

    async def close(self) -> None:
        """Reads no more; what ranks stays as it is."""
        await self._shelf.catalogue.close()

    async def _grown(self, shelf: _Shelf) -> Stocked:
        """What ranks from now on. Off the event loop, while nothing more is told."""
        self._grown_s = self._clock()
        assortment = shelf.assortment
        return await asyncio.to_thread(assortment.grow) if assortment.outgrown else assortment.stocked

    def _laid(self, ranker: Ranker) -> _Shelf:
        return _Shelf(Assortment(ranker), self._follow())

    async def _restock(self, shelf: _Shelf, patience: Patience) -> list[str]:
        """The next few entries; what by them is to be had no more."""
        entries = await patience.run("reading the catalogue", shelf.catalogue.next)
        self._entries += len(entries)
        self._metrics.catalogue_entries.inc(len(entries))
        gone = shelf.assortment.take(entries)
        await asyncio.sleep(0)  # a catalogue that is all there would not let anybody else do anything
        return gone
