"""Forgets a session, or a user, when asked: at once, and for good.

1. The order goes into the clickstream, so that whoever reads it again, from wherever, forgets again.
2. Its place is known by then, and with it the script is run that the worker runs when it comes there. It
   leaves the marker: what lies before that place brings nothing back, also what is folded only later.
3. Subscribers are told.

From the first step on it is sure to happen: the worker does all of it again, and to do it twice changes
nothing. So a Redis that is away delays it and no more.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from schemas.click import Erase
from schemas.errors import KafkaError, RedisError
from schemas.profile import Trace
from schemas.session import Record
from schemas.topics import OP_ERASE, OP_ERASE_USER, OP_HEADER
from serving.state.clickstream import Clickstream, Landed
from serving.state.producer import Outgoing
from serving.state.profiles import Traces
from serving.state.sessions import SessionStore, Work

log = logging.getLogger(__name__)

_REDIS_S: Final = 2.0


class Erases(Protocol):
    """KafkaError when Kafka does not have the order, and nothing was done. False: it has, and the workers do the rest
    when they come to it.
    """

    async def session(self, session_id: str) -> bool: ...

    async def user(self, user_id: str) -> bool: ...


class Erasure:
    def __init__(self, clickstream: Clickstream, store: SessionStore) -> None:
        self._clickstream = clickstream
        self._store = store

    async def session(self, session_id: str) -> bool:
        landed = await self._order(session_id, OP_ERASE)
        work = Work(session_id, [Record(Erase(session_id), landed.record_time, landed.position)])
        try:
            async with asyncio.timeout(_REDIS_S):
                await self._store.fold([work])
        except (RedisError, TimeoutError) as error:
            log.warning("an erasure waits for the workers: %s", error)
            return False
        return await self._clickstream.publish(session_id, None)

    async def user(self, user_id: str) -> bool:
        landed = await self._order(user_id, OP_ERASE_USER)
        traces = Traces(user_id, [Trace(None, landed.record_time, landed.position)])
        try:
            async with asyncio.timeout(_REDIS_S):
                await self._store.remember([traces])
        except (RedisError, TimeoutError) as error:
            log.warning("an erasure waits for the workers: %s", error)
            return False
        return True

    async def _order(self, key: str, order: bytes) -> Landed:
        record = Outgoing(self._clickstream.names.clickstream, key.encode(), None, ((OP_HEADER, order),))
        (landed,) = await self._clickstream.send([record])
        if landed is None:
            raise KafkaError("Kafka did not take the order to erase; ask again when `nextclick doctor` finds it well")
        return landed
