"""Whose list has changed, as the store script says it to whoever listens.

Plain pub/sub: what is said while nobody listens is lost. So whoever waits looks again every while, and is
told to when the connection comes back.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, cast
from urllib.parse import urlsplit, urlunsplit

from redis import exceptions
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from schemas import keys
from schemas.settings import RedisUrl

log = logging.getLogger(__name__)

_CHANNELS: Final = [f"rec.{number}" for number in range(keys.CHANNELS)]
_TIMEOUT_S: Final = 2.0
_AGAIN_S: Final = 0.5
#: A connection that says nothing for so long is asked whether it is still there, and given up _TIMEOUT_S later.
_SILENT_S: Final = 5.0
_FAILURES: Final = (exceptions.RedisError, exceptions.RedisClusterException, OSError, TimeoutError)


class Channels:
    def __init__(self, url: RedisUrl, silent_s: float = _SILENT_S) -> None:
        self._url = url
        self._silent_s = silent_s
        #: Somebody would tell us.
        self.hears = False
        self._complained = False
        self._heard = 0
        #: Of a Cluster: the one that is named may be gone when the connection to another breaks.
        self._nodes: list[ClusterNode] = []

    async def listen(self, changed: Callable[[str], None], anything: Callable[[], None]) -> None:
        """Until cancelled. `changed` is told whose, by fingerprint; `anything` that some may have been missed."""
        while True:
            try:
                await self._listen(changed, anything)
            except _FAILURES as error:
                if self.hears or not self._complained:
                    log.warning("nobody tells of new lists, they are looked for: %s", type(error).__name__)
                self.hears, self._complained = False, True
            await asyncio.sleep(_AGAIN_S)

    async def _listen(self, changed: Callable[[str], None], anything: Callable[[], None]) -> None:
        client = await self._client()
        try:
            async with client.pubsub() as pubsub:
                await pubsub.subscribe(*_CHANNELS)
                await self._hear(pubsub, changed, anything)
        finally:
            await client.aclose()

    async def _hear(self, pubsub: PubSub, changed: Callable[[str], None], anything: Callable[[], None]) -> None:
        async with asyncio.timeout(None) as limit:
            asking = asyncio.create_task(self._ask(pubsub, limit), name="is-redis-there")
            try:
                while True:
                    # Without a deadline of its own, which would cost more than the message.
                    message = cast(dict[str, Any] | None, await pubsub.get_message(timeout=None))
                    self._heard += 1
                    if message is None:  # what the client answers for itself
                        continue
                    if message["type"] == "subscribe" and not self.hears:
                        self.hears = True
                        anything()
                    elif message["type"] == "message":
                        # What is nobody's fingerprint, for anybody may publish there, rings nothing.
                        changed(cast(bytes, message["data"]).partition(b" ")[0].decode(errors="replace"))
            finally:
                asking.cancel()

    async def _ask(self, pubsub: PubSub, limit: asyncio.Timeout) -> None:
        """Whether it is still there, where it has said nothing for long; the end of it where it says nothing then."""
        while True:
            before = self._heard
            await asyncio.sleep(self._silent_s)
            if self._heard == before:
                with suppress(*_FAILURES):
                    await pubsub.ping()
                    await asyncio.sleep(_TIMEOUT_S)
                if self._heard == before:
                    limit.reschedule(asyncio.get_running_loop().time())
                    return

    async def _client(self) -> Redis:
        """To the server, or to any node of the Cluster: what is published at one is heard at all."""
        options: dict[str, Any] = {
            "socket_timeout": _TIMEOUT_S,
            # The newer protocol's messages take the client twice as long.
            "protocol": 2,
            "socket_connect_timeout": _TIMEOUT_S,
            "retry": Retry(NoBackoff(), 0),
        }
        if not self._url.is_cluster:
            return Redis.from_url(self._url.reveal(), **options)
        address = self._url.reveal().replace("+cluster", "", 1)
        # Not the client's own beginning, which asks the node of the first slot, be it there or not.
        manager = RedisCluster.from_url(address, startup_nodes=self._nodes, **options).nodes_manager
        try:
            await manager.initialize()
            self._nodes = [*manager.nodes_cache.values()]
            node = random.choice(self._nodes)  # noqa: S311 - no secret
            return Redis.from_url(_at(address, node.host, int(node.port)), **options)
        finally:
            await manager.aclose()
            await manager.aclose("startup_nodes")


def _at(address: str, host: str, port: int) -> str:
    """The same login and the same certificates, at one node."""
    parts = urlsplit(address)
    login, at, _ = parts.netloc.rpartition("@")
    named = f"[{host}]" if ":" in host else host
    return urlunsplit(parts._replace(netloc=f"{login}{at}{named}:{port}"))
