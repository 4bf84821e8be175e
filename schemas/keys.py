"""Every key nextclick has in Redis. No other file builds one.

The braces are Redis Cluster's hash tag: what belongs to one session shares a slot, so that one script
may touch all of it.

    {sid}:s                      hash    the session's facts
    {sid}:x                      hash    erase marker
    {sid}:r                      hash    recommendation, ready to send
    {sid}:v                      hash    session vector, tagged (version, model)
    pending:{epoch.partition}    zset    sessions folded and still to be ranked
    replayed:<source>            string  a dead letter that was sent back (topic, partition, offset)
    rec.<0..15>                  channel what changed, for endpoints
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final
from zlib import crc32

CHANNELS: Final = 16


def session(session_id: str) -> str:
    return f"{{{session_id}}}:s"


def erased(session_id: str) -> str:
    return f"{{{session_id}}}:x"


def recommendation(session_id: str) -> str:
    return f"{{{session_id}}}:r"


def vector(session_id: str) -> str:
    return f"{{{session_id}}}:v"


def pending(lane: str) -> str:
    return f"pending:{{{lane}}}"


def replayed(topic: str, partition: int, offset: int) -> str:
    return f"replayed:{topic}:{partition}:{offset}"


def channel(session_id: str) -> str:
    return f"rec.{crc32(session_id.encode()) % CHANNELS}"


def fingerprint(session_id: str) -> str:
    """What channels and logs call a session, so that neither carries an id that would open it."""
    return blake2b(session_id.encode(), digest_size=8, person=b"nextclick").hexdigest()
