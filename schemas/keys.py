"""Every key nextclick has in Redis. No other file builds one.

The braces are Redis Cluster's hash tag: what belongs to one session shares a slot, so that one script
may touch all of it.

    {sid}:s                      hash    the session's facts
    {sid}:x                      hash    erase marker
    {sid}:r                      hash    recommendation, ready to send
    {sid}:v                      hash    session vector, tagged (version, model)
    pending:{epoch.partition}    zset    sessions folded and still to be ranked
    u:{user_id}                  hash    a user's profile, its erase marker in it
    replayed:<source>            string  a dead letter that was sent back (topic, partition, offset)
    wm:{anchor}:epoch.partition  string  watermark: up to here the partition is folded
    {limits}:<kind>:<mark>       string  a bucket of requests: when it is full again
    rec.<0..15>                  channel what changed, for endpoints
"""

from __future__ import annotations

from binascii import crc_hqx
from hashlib import blake2b
from itertools import count
from typing import Final
from zlib import crc32

CHANNELS: Final = 16
_SLOTS: Final = 16_384
_STRETCHES: Final = 64


def _anchors() -> tuple[str, ...]:
    found: dict[int, str] = {}
    tags = map(str, count())
    while len(found) < _STRETCHES:
        tag = next(tags)
        found.setdefault(crc_hqx(tag.encode(), 0) % _SLOTS * _STRETCHES // _SLOTS, tag)
    return tuple(found[stretch] for stretch in range(_STRETCHES))


#: Hash tags that spread over a Redis Cluster, one in each stretch of 256 slots: a shard that holds two stretches'
#: worth of slots in a row holds at least one, and where slots move, what lies at their anchors moves along.
ANCHORS: Final = _anchors()


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


def profile(user_id: str) -> str:
    return f"u:{{{user_id}}}"


def replayed(topic: str, partition: int, offset: int) -> str:
    return f"replayed:{topic}:{partition}:{offset}"


def watermark(lane: str, anchor: str) -> str:
    return f"wm:{{{anchor}}}:{lane}"


def bucket(kind: str, mark: str) -> str:
    """`mark` is a keyed hash, so that Redis holds no address and no session id here."""
    return f"{{limits}}:{kind}:{mark}"


def channel(session_id: str) -> str:
    return f"rec.{crc32(session_id.encode()) % CHANNELS}"


def fingerprint(session_id: str) -> str:
    """What channels and logs call a session, so that neither carries an id that would open it."""
    return blake2b(session_id.encode(), digest_size=8, person=b"nextclick").hexdigest()
