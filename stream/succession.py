"""From one bundle to the next without a restart: what follows is proved whole before what ranks lets go."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from schemas.errors import BundleError
from stream.metrics import Metrics
from stream.ranking import Ranking, Ranks

log = logging.getLogger(__name__)


class Follows(Protocol):
    """What this file needs of serving.state's Following."""

    async def next(self) -> Ranks: ...

    async def aside(self, work: Callable[[], None]) -> None: ...


class Succession:
    def __init__(self, following: Follows, ranking: Ranking, metrics: Metrics) -> None:
        self._following = following
        self._ranking = ranking
        self._metrics = metrics

    async def run(self) -> None:
        """Until cancelled. Whatever is wrong with another bundle, the one in service stays."""
        while True:
            try:
                successor = await self._following.next()
            except BundleError as error:
                self._refuse(error.reason)
                log.error("a bundle is refused, and the one in service stays: %s", error)
            except Exception:  # a defect of ours in reading a bundle, and ranking goes on without that bundle
                self._refuse("defect")
                log.exception("a bundle is refused on a defect, and the one in service stays")
            else:
                await self._switch(successor)

    def _refuse(self, reason: str) -> None:
        self._metrics.bundle_refused.labels(reason).inc()

    async def _switch(self, successor: Ranks) -> None:
        old = [await self._ranking.succeed(successor)]
        log.info("model %s ranks, after %s", successor.version, old[0].version)
        self._metrics.model.remove(old[0].version)
        self._metrics.model.labels(successor.version).set(1)
        self._metrics.bundle_swaps.inc()
        await self._following.aside(old.clear)  # to unmap a great bundle takes its time too
