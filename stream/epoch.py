"""Is the topic still the one that the worker began with? Made anew, it counts its offsets from 0 again.

To the guards everything in it would be long known, and dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from schemas.errors import InvariantError, KafkaError

log = logging.getLogger(__name__)

EVERY_S: Final = 30.0


class Epoch:
    def __init__(self, epoch: str, ask: Callable[[], Awaitable[str]], every_s: float = EVERY_S) -> None:
        self._epoch = epoch
        self._ask = ask
        self._every_s = every_s

    async def check(self) -> None:
        """KafkaError when Kafka does not say, InvariantError when it is another topic by now."""
        now = await self._ask()
        if now != self._epoch:
            raise InvariantError(
                f"the topic clickstream was made anew while the worker ran: its epoch was {self._epoch} and is {now}; "
                "start the worker again, and it reads the new topic from its beginning"
            )

    async def run(self) -> None:
        """Until cancelled. A rebalance checks too, and so does every step back in a partition: this is for the rest."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.check()
            except KafkaError as error:
                log.warning("the topic's epoch is not known at the moment: %s", error)
