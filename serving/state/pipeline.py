"""Commands to Redis, many in one round trip, on a single server or a Cluster.

The only file that knows the client library for the hot path; its exceptions become ours here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from redis import exceptions
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from schemas.errors import InvariantError, RedisError
from schemas.settings import RedisUrl
from serving.state import scripts
from serving.state.scripts import Script

Argument = str | bytes | int
Reply = list[bytes] | dict[bytes, bytes] | bytes | int | None

#: One command waits at most this long; the worker's own loop decides whether to try again.
_SOCKET_TIMEOUT_S: Final = 2.0
_CONNECTIONS_MAX: Final = 16
#: How Redis says "not now" rather than "never": retried, not a fault of ours. The client strips the codes it knows
#: and makes them types; from within a script, and for the codes it does not know, they stand in the text.
_TRANSIENT_TYPES: Final = (
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.BusyLoadingError,
    exceptions.ClusterDownError,
    exceptions.MasterDownError,
    exceptions.TryAgainError,
    exceptions.MovedError,
    exceptions.AskError,
)
_TRANSIENT_CODES: Final = re.compile(
    r"(?:^|[\s-])(?:OOM|READONLY|LOADING|MISCONF|CLUSTERDOWN|NOREPLICAS|MASTERDOWN|TRYAGAIN|BUSY)\b"
)


@dataclass(frozen=True, slots=True)
class Call:
    """One command of a pipeline."""

    arguments: tuple[Argument, ...]

    @classmethod
    def script(cls, script: Script, names: Sequence[str], *arguments: Argument) -> Call:
        """Scripts go by their hash alone and are loaded where they turn out to be missing."""
        return cls(("EVALSHA", script.sha, len(names), *names, *arguments))


class Pipeline:
    """A connection pool that gives up quickly and never repeats a command by itself."""

    def __init__(self, url: RedisUrl) -> None:
        self._client = _connect(url)
        self._shown = url.masked

    async def run(self, calls: Sequence[Call]) -> list[Reply]:
        """The reply to each call, in order; RedisError when any of them failed for want of a working Redis."""
        if not calls:
            return []
        try:
            replies = await self._send(calls)
            unknown = [at for at, reply in enumerate(replies) if isinstance(reply, exceptions.NoScriptError)]
            if unknown:
                await self._load_scripts()
                again = await self._send([calls[at] for at in unknown])
                for at, reply in zip(unknown, again, strict=True):
                    replies[at] = reply
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error
        for reply in replies:
            if isinstance(reply, Exception):
                raise self._refusal(reply) from reply
        return cast(list[Reply], replies)

    async def close(self) -> None:
        await self._client.aclose()

    async def _send(self, calls: Sequence[Call]) -> list[Reply | Exception]:
        pipeline = self._client.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command(*call.arguments)
        return cast(list[Reply | Exception], await pipeline.execute(raise_on_error=False))

    async def _load_scripts(self) -> None:
        for script in scripts.ALL:
            if isinstance(self._client, RedisCluster):
                await self._client.execute_command("SCRIPT LOAD", script.source, target_nodes=RedisCluster.PRIMARIES)
            else:
                await self._client.script_load(script.source)

    def _refusal(self, error: Exception) -> RedisError | InvariantError:
        if isinstance(error, exceptions.NoPermissionError | exceptions.AuthenticationError):
            return RedisError(f"Redis at {self._shown} does not let us ({error}); give its user the right, then go on")
        transient = isinstance(error, _TRANSIENT_TYPES) or _TRANSIENT_CODES.search(str(error))
        if transient or not isinstance(error, exceptions.ResponseError):
            return self._unreachable(error)
        return InvariantError(f"Redis at {self._shown} refused a command of ours, which is a defect: {error}")

    def _unreachable(self, error: Exception) -> RedisError:
        return RedisError(
            f"Redis at {self._shown} does not answer ({type(error).__name__}: {error}); "
            "check that it runs and that NEXTCLICK_REDIS names it"
        )


def _connect(url: RedisUrl) -> Redis | RedisCluster:
    retry = Retry(NoBackoff(), 0)
    if url.is_cluster:
        return RedisCluster.from_url(
            url.reveal().replace("+cluster", "", 1),
            socket_timeout=_SOCKET_TIMEOUT_S,
            socket_connect_timeout=_SOCKET_TIMEOUT_S,
            max_connections=_CONNECTIONS_MAX,
            retry=retry,
        )
    return Redis.from_url(
        url.reveal(),
        socket_timeout=_SOCKET_TIMEOUT_S,
        socket_connect_timeout=_SOCKET_TIMEOUT_S,
        max_connections=_CONNECTIONS_MAX,
        retry=retry,
    )
