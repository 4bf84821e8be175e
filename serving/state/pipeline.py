"""Commands to Redis, many in one round trip, on a single server or a Cluster.

The only file that knows the client library for the hot path; its exceptions become ours here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol, cast

import hiredis
import msgspec
from redis import exceptions
from redis.asyncio import ConnectionPool, RedisCluster
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from schemas.errors import InvariantError, NextclickError, RedisError
from schemas.settings import RedisUrl
from serving.state import scripts
from serving.state.scripts import Script

Argument = str | bytes | int
Reply = list[bytes] | dict[bytes, bytes] | bytes | int | None

#: So long commands wait at most, and a little longer the more they are; the worker decides whether to try again.
_TIMEOUT_S: Final = 2.0
_COMMAND_S: Final = 0.01
#: By so much an event loop is late that has something else to do.
_LATE_S: Final = 0.01
#: Answers that trickle in are waited for no more than so many times as long in all.
_TRICKLES: Final = 4
_CONNECTIONS_MAX: Final = 16
#: Where a script's first key stands among the arguments.
_SCRIPT_KEY: Final = 3
_REPLICATION_ID: Final = "master_replid"
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
#: The client's errors have two roots, and what a socket raises has its own.
_FAILURES: Final = (exceptions.RedisError, exceptions.RedisClusterException, OSError)
#: Of a node that may be gone for good.
_MAYBE_MOVED: Final = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ClusterDownError, OSError)
_TRANSIENT_CODES: Final = re.compile(
    r"(?:^|[\s-])(?:OOM|READONLY|LOADING|MISCONF|CLUSTERDOWN|NOREPLICAS|MASTERDOWN|TRYAGAIN|BUSY)\b"
)
#: How OpenSSL says that a certificate is not believed; the client keeps no more of it than the text.
_UNPROVED: Final = "CERTIFICATE_VERIFY_FAILED"
#: How Redis says that it wants another user or password. A Cluster's client keeps only the text of it.
_UNKNOWN: Final = re.compile(r"WRONGPASS|NOAUTH|invalid username-password|HELLO must be called|Authentication required")
#: Typed as taking one argument, which is a slip.
_pack: Final = cast(Callable[[tuple[Argument, ...]], bytes], hiredis.pack_command)


class Call(msgspec.Struct, frozen=True):
    """One command of a pipeline."""

    arguments: tuple[Argument, ...]

    @classmethod
    def script(cls, script: Script, names: Sequence[str], *arguments: Argument) -> Call:
        """Scripts go by their hash alone and are loaded where they turn out to be missing."""
        return cls(("EVALSHA", script.sha, len(names), *names, *arguments))


class Pipeline:
    """A connection pool that gives up quickly and never repeats a command by itself."""

    def __init__(self, url: RedisUrl, timeout_s: float = _TIMEOUT_S, command_s: float = _COMMAND_S) -> None:
        """A round trip without an answer is given up after `timeout_s`, and `command_s` more for each command in it."""
        self._wire: _Wire = _Cluster(url, timeout_s) if url.is_cluster else _Server(url, timeout_s, command_s)
        self._shown = url.masked
        self._looking: asyncio.Task[None] | None = None

    async def run(self, calls: Sequence[Call]) -> list[Reply]:
        """The reply to each call, in order; RedisError when any of them failed for want of a working Redis."""
        replies = await self._replies(calls)
        for reply in replies:
            if isinstance(reply, Exception):
                if isinstance(reply, _MAYBE_MOVED):
                    await self._wire.look_again()
                raise self._refusal(reply) from reply
        return cast(list[Reply], replies)

    async def each(self, calls: Sequence[Call]) -> list[Reply | NextclickError]:
        """The same, where one call that fails is nothing to the others; RedisError when nobody got an answer."""
        replies = await self._replies(calls)
        lost = [reply for reply in replies if isinstance(reply, _MAYBE_MOVED)]
        if lost:
            self._look_again()
            if len(lost) == len(replies):
                raise self._unreachable(lost[0]) from lost[0]
        return [self._refusal(reply) if isinstance(reply, Exception) else reply for reply in replies]

    async def _replies(self, calls: Sequence[Call]) -> list[Reply | Exception]:
        if not calls:
            return []
        try:
            replies = await self._wire.send(calls)
            unknown = [at for at, reply in enumerate(replies) if isinstance(reply, exceptions.NoScriptError)]
            if unknown:
                for script in scripts.ALL:
                    await self._wire.load(script)
                again = await self._wire.send([calls[at] for at in unknown])
                for at, reply in zip(unknown, again, strict=True):
                    replies[at] = reply
        except _FAILURES as error:
            raise self._unreachable(error) from error
        return replies

    def _look_again(self) -> None:
        """While others are answered."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._wire.look_again(), name="look-again")

    async def servers(self) -> frozenset[str]:
        """The replication ids of a Cluster's primaries, as the client knows them; nothing of a single server."""
        try:
            return await self._wire.servers()
        except _FAILURES as error:
            raise self._unreachable(error) from error

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        await self._wire.close()

    def _refusal(self, error: Exception) -> RedisError | InvariantError:
        if isinstance(error, exceptions.NoPermissionError | exceptions.AuthenticationError):
            return RedisError(f"Redis at {self._shown} does not let us ({error}); give its user the right, then go on")
        transient = isinstance(error, _TRANSIENT_TYPES) or _TRANSIENT_CODES.search(str(error))
        if transient or not isinstance(error, exceptions.ResponseError):
            return self._unreachable(error)
        return InvariantError(f"Redis at {self._shown} refused a command of ours, which is a defect: {error}")

    def _unreachable(self, error: Exception) -> RedisError:
        return unreachable(self._shown, error)


def refuses_login(error: Exception) -> bool:
    return isinstance(error, exceptions.AuthenticationError) or _UNKNOWN.search(str(error)) is not None


def unreachable(shown: str, error: Exception) -> RedisError:
    if refuses_login(error):
        return RedisError(
            f"Redis at {shown} refuses the user or password of NEXTCLICK_REDIS; write ones there that it knows, as "
            "redis://USER:PASSWORD@HOST:PORT"
        )
    advice = "check that it runs and that NEXTCLICK_REDIS names it"
    if _UNPROVED in str(error):
        advice = "name it as its certificate does, and its authority's PEM file as ?ssl_ca_certs=, in NEXTCLICK_REDIS"
    elif shown.startswith("rediss"):
        advice = "check that it runs, and that NEXTCLICK_REDIS names its port for TLS: perhaps this one speaks no TLS"
    return RedisError(f"Redis at {shown} does not answer ({type(error).__name__}: {error}); {advice}")


class _Wire(Protocol):
    """The way to one server, or to several that share the keys."""

    async def send(self, calls: Sequence[Call]) -> list[Reply | Exception]: ...

    async def load(self, script: Script) -> None: ...

    async def servers(self) -> frozenset[str]: ...

    async def look_again(self) -> None: ...

    async def close(self) -> None: ...


class _Server:
    """Commands are packed and answers read here: the client's own pipeline takes twice as long over the same.

    Connections that are free stay with us, since its pool takes a third of a round trip's processor time to take one
    back and lend it again.
    """

    def __init__(self, url: RedisUrl, timeout_s: float, command_s: float) -> None:
        self._timeout_s = timeout_s
        self._command_s = command_s
        self._pool = ConnectionPool.from_url(
            url.reveal(),
            max_connections=_CONNECTIONS_MAX,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=None,
            # With them on, the pool no longer looks whether the server has closed a connection meanwhile.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._dial: Callable[[], Awaitable[AbstractConnection]] = self._pool.get_connection
        self._free: list[AbstractConnection] = []

    async def send(self, calls: Sequence[Call]) -> list[Reply | Exception]:
        packed = [_pack(call.arguments) for call in calls]
        async with asyncio.timeout(None) as limit:
            patience = _Patience(limit, self._timeout_s + self._command_s * len(calls))
            try:
                return await self._asked(packed, patience)
            finally:
                patience.end()

    async def _asked(self, packed: Sequence[bytes], patience: _Patience) -> list[Reply | Exception]:
        connection = await self._connected()
        answers: list[Reply | Exception] = []
        try:
            await connection.send_packed_command(packed)
            for _ in packed:
                answers.append(await _answer(connection))
                patience.heard()
            return answers
        finally:
            # Interrupted, it has closed itself: nobody will take what it still had to say for an answer to theirs.
            if connection.is_connected:
                self._free.append(connection)
            else:
                await self._pool.release(connection)

    async def _connected(self) -> AbstractConnection:
        """One that has nothing to say, else it is the end of it: the server has closed it meanwhile."""
        while self._free:
            connection = self._free.pop()
            if not await connection.can_read():
                return connection
            try:
                await connection.disconnect()
            finally:  # also where our time is over: its place in the pool is needed
                await self._pool.release(connection)
        return await self._dial()

    async def load(self, script: Script) -> None:
        await self.send([Call(("SCRIPT", "LOAD", script.source))])

    async def servers(self) -> frozenset[str]:
        return frozenset()

    async def look_again(self) -> None:
        return None

    async def close(self) -> None:
        await self._pool.aclose()


class _Patience:
    """Gives a round trip up that has brought no answer for so long.

    Many long answers take longer than that to arrive, and the rest is waited for while they do: a Redis that is gone or
    frozen sends none. And where we come late ourselves, an answer may lie there unread.
    """

    def __init__(self, limit: asyncio.Timeout, patience_s: float) -> None:
        self._limit = limit
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._heard_s = self._loop.time()
        #: However steadily answers trickle in.
        self._end_s = self._heard_s + _TRICKLES * patience_s
        self._forgives = True
        self._wait_until(self._heard_s + patience_s)

    def heard(self) -> None:
        self._heard_s = self._loop.time()

    def end(self) -> None:
        self._timer.cancel()

    def _wait_until(self, due_s: float) -> None:
        self._due_s = due_s
        self._timer = self._loop.call_at(due_s, self._over)

    def _over(self) -> None:
        now_s = self._loop.time()
        due_s = min(self._heard_s + self._patience_s, self._end_s)
        if due_s > now_s:
            self._wait_until(due_s)
        elif now_s - self._due_s > _LATE_S and self._forgives:
            self._forgives = False
            self._wait_until(now_s + self._patience_s)
        else:
            self._limit.reschedule(now_s)


async def _answer(connection: AbstractConnection) -> Reply | Exception:
    try:
        return cast(Reply, await connection.read_response())
    except exceptions.ResponseError as error:
        return error


class _Cluster:
    """The client knows which keys lie where."""

    def __init__(self, url: RedisUrl, timeout_s: float) -> None:
        #: To be dialled anew and to answer.
        self._at_most_s = 2 * timeout_s
        self._client = RedisCluster.from_url(
            url.reveal().replace("+cluster", "", 1),
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            max_connections=_CONNECTIONS_MAX,
            retry=Retry(NoBackoff(), 0),
        )

    async def send(self, calls: Sequence[Call]) -> list[Reply | Exception]:
        """Each node is asked by itself: to the client one that cannot be reached fails what was asked of all."""
        places: dict[str, list[int]] = {}
        for at, call in enumerate(calls):
            places.setdefault(self._node(call), []).append(at)
        parts = [self._part([calls[at] for at in some]) for some in places.values()]
        replies: list[Reply | Exception] = [None] * len(calls)
        for some, told in zip(places.values(), await asyncio.gather(*parts), strict=True):
            for at, reply in zip(some, told, strict=True):
                replies[at] = reply
        return replies

    def _node(self, call: Call) -> str:
        """Who has its key, as far as the client knows; it finds out by itself where that is wrong."""
        at = _SCRIPT_KEY if call.arguments[0] == "EVALSHA" else 1
        try:
            node = self._client.get_node_from_key(str(call.arguments[at]))
        except (IndexError, exceptions.RedisClusterException):  # without a key any node will do
            return ""
        return node.name if node is not None else ""

    async def _part(self, calls: Sequence[Call]) -> list[Reply | Exception]:
        pipeline = self._client.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command(*call.arguments)
        try:
            async with asyncio.timeout(self._at_most_s):
                return cast(list[Reply | Exception], await pipeline.execute(raise_on_error=False))
        except _FAILURES as error:
            return [error] * len(calls)

    async def load(self, script: Script) -> None:
        await self._client.execute_command("SCRIPT LOAD", script.source, target_nodes=RedisCluster.PRIMARIES)

    async def servers(self) -> frozenset[str]:
        told = await self._client.execute_command("INFO", "replication", target_nodes=RedisCluster.PRIMARIES)
        nodes = [told] if _REPLICATION_ID in told else list(cast(dict[str, Any], told).values())
        return frozenset(str(node[_REPLICATION_ID]) for node in nodes)

    async def look_again(self) -> None:
        """Who serves which slots? A pipeline that collects its errors does not make the client ask by itself, and
        so it would go on dialling a node that is dead and replaced.
        """
        with suppress(*_FAILURES):
            await self._client.nodes_manager.initialize()

    async def close(self) -> None:
        await self._client.aclose()
