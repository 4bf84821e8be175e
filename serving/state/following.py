"""The bundle at a place, and then every other one that comes to be there, verified before anybody ranks with it.

Whoever follows a place switches without a restart. Looking and loading happen in a thread of their own: neither
an event loop nor a ranking waits for a disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from schemas.errors import BundleError
from serving.ranking.ranker import Ranker
from serving.state import bundles
from serving.state.bundles import Mark

#: Between two looks. A bundle must look the same twice: one that is still being copied is left alone.
LOOK_EVERY_S: Final = 0.25

T = TypeVar("T")


class Following:
    def __init__(self, place: Path, look_every_s: float = LOOK_EVERY_S) -> None:
        self._place: Final = place
        self._look_every_s: Final = look_every_s
        self._thread: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bundle")
        self._version = ""
        #: When the bundle was made whose ranker was given out last, in epoch ms.
        self.made_at = 0
        #: What the last look found, and what was found when a bundle was last tried: a refused one is tried once.
        self._seen: Mark | str = ""
        self._tried: Mark | str = ""
        #: What is there now is not what ranks, because it was refused.
        self.refuses = False

    def first(self) -> Ranker:
        """The ranker of the bundle that is there now. BundleError says why it is refused."""
        self._tried = self._look()
        ranker, self.made_at = self._load()
        self._version = ranker.version
        return ranker

    async def next(self) -> Ranker:
        """Waits for a bundle of another version. BundleError says why one is refused; call again to wait on."""
        while True:
            await asyncio.sleep(self._look_every_s)
            before, self._seen = self._seen, await self.aside(self._look)
            if self._seen == self._tried or self._seen != before:
                continue
            self._tried = self._seen
            try:
                ranker, made_at = await self.aside(self._load)
            except Exception:
                self.refuses = True
                raise
            self.refuses = False
            if ranker.version != self._version:
                self._version, self.made_at = ranker.version, made_at
                return ranker

    async def aside(self, work: Callable[[], T]) -> T:
        """Runs it in the thread that looks and loads."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _load(self) -> tuple[Ranker, int]:
        manifest, bundle = bundles.verify(self._place)
        return bundle.ranker, manifest.created_at

    def _look(self) -> Mark | str:
        """What is there, or in words why nothing is."""
        try:
            return bundles.look(self._place)
        except BundleError as error:
            return str(error)
