"""Asks a server on loopback who it is, over a bare socket: is it up, and is it ours?

A port that was free when it was chosen may have been taken by another program when our server wanted it;
then a connection succeeds and means nothing. So each server is asked for what only ours can answer.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Final

from nextclick.servers import LOOPBACK
from schemas.errors import RedisError

_TIMEOUT_S: Final = 2.0

#: Kafka's request header (key, version, correlation id, no client id) and a metadata request for no topic.
#: Version 4 is understood by Kafka 0.11 to 4.x.
_METADATA: Final = struct.pack(">hhihi?", 3, 4, 1, -1, 0, False)


def kafka_is(port: int, cluster_id: str) -> bool:
    """Whether a broker of that very cluster answers there."""
    with contextlib.suppress(OSError, struct.error), socket.create_connection((LOOPBACK, port), _TIMEOUT_S) as dial:
        dial.sendall(struct.pack(">i", len(_METADATA)) + _METADATA)
        with dial.makefile("rb") as stream:
            (size,) = struct.unpack(">i", stream.read(4))
            return cluster_id.encode() in stream.read(size)
    return False


def redis_is(port: int, pid: int) -> bool:
    """Whether that very process answers there."""
    with contextlib.suppress(RedisError):
        return f"process_id:{pid}\r\n" in redis(port, "INFO server")
    return False


def redis(port: int, command: str) -> str:
    """The answer to an inline command that has a plain one, no array. RedisError when there is none."""
    try:
        with socket.create_connection((LOOPBACK, port), _TIMEOUT_S) as dial, dial.makefile("rwb") as stream:
            stream.write(command.encode() + b"\r\n")
            stream.flush()
            head = stream.readline().decode().rstrip()
            body = stream.read(int(head[1:])).decode() if head.startswith("$") and head != "$-1" else head[1:]
    except (OSError, ValueError) as error:
        raise RedisError(f"no answer from Redis on {LOOPBACK}:{port}: {error}; is it running?") from error
    if not head or head.startswith("-"):
        raise RedisError(f"Redis on {LOOPBACK}:{port} answers {command!r} with {body or 'nothing'}")
    return body
