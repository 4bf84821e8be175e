"""From one bundle to the next without a restart: what follows is proved whole before what ranks lets go."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from prometheus_client import Counter, Gauge

from schemas.errors import BundleError

log = logging.getLogger(__name__)


class Versioned(Protocol):
    @property
    def version(self) -> str: ...


R = TypeVar("R", bound=Versioned)
R_co = TypeVar("R_co", bound=Versioned, covariant=True)
R_contra = TypeVar("R_contra", bound=Versioned, contravariant=True)


class Follows(Protocol[R_co]):
    """What this file needs of serving.state's Following."""

    async def next(self) -> R_co: ...

    async def aside(self, work: Callable[[], None]) -> None: ...


class Succeeds(Protocol[R_contra]):
    """Where a ranker comes into service: the stock."""

    async def succeed(self, ranker: R_contra) -> Versioned: ...


class Counts(Protocol):
    """And of a process's metrics."""

    bundle_refused: Counter
    bundle_swaps: Counter
    model: Gauge


class Succession(Generic[R]):
    def __init__(self, following: Follows[R], stock: Succeeds[R], metrics: Counts) -> None:
        self._following = following
        self._stock = stock
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

    async def _switch(self, successor: R) -> None:
        old = [await self._stock.succeed(successor)]
        log.info("model %s ranks, after %s", successor.version, old[0].version)
        self._metrics.model.remove(old[0].version)
        self._metrics.model.labels(successor.version).set(1)
        self._metrics.bundle_swaps.inc()
        await self._following.aside(old.clear)  # to unmap a great bundle takes its time too
