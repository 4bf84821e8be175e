"""Waiting for what sets no event, since it is the code under test that does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: As long as a busy machine may need.
PATIENCE_S = 60


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.002)
