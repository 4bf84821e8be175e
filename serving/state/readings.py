"""What the endpoint reads of a session: its list ready to send, its facts, its vector; each in one round trip.

A list that was read before is kept, and only its triple asked for: who polls an unchanged list costs a few
bytes. What Redis says stands; nothing is answered from here without its being asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

import msgspec

from schemas import facts, keys
from schemas.recommendation import Model
from schemas.session import Session
from serving.state.gathered import Gathered
from serving.state.lately import Lately
from serving.state.pipeline import Call

#: About 7 KB each with what goes with it.
_KEPT_MAX: Final = 8_192
#: Without Redis to ask, a list is answered so long: its session may have been erased meanwhile.
_GOOD_S: Final = 300.0


class _Told(msgspec.Struct, frozen=True):
    """What headers say of a list; the rest of it is not looked at."""

    generated_at: int
    model: Model
    fallback: str | None = None


_TOLD: Final = msgspec.json.Decoder(_Told)


@dataclass(frozen=True, slots=True)
class Held:
    """A stored list as it was last read."""

    #: started.version.revision
    triple: str
    body: bytes
    #: The ranked items that the body has not (schemas.recommendation.decode_spares).
    more: bytes
    #: Lane -> offset up to which it knows the clicks.
    applied: Mapping[str, int]
    generated_at: int
    model: Model
    fallback: str | None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What ranking on demand starts from."""

    session: Session | None
    vector: bytes | None
    #: (session version, model) of the vector, as whoever stored it wrote it.
    tag: str

    def vector_by(self, model: str) -> bytes | None:
        """The stored one, unless it is of another version of the session or of another model."""
        version = 0 if self.session is None else self.session.version
        return self.vector if self.tag == f"{version} {model}" else None


#: Of whom nothing is known.
NOBODY: Final = Remembered(None, None, "")


class Readings:
    def __init__(self, redis: Gathered, kept_max: int = _KEPT_MAX, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._lists = Lately[Held](kept_max, _GOOD_S, clock)
        #: The facts of those that were remembered, as Redis has them.
        self._facts = Lately[dict[bytes, bytes]](kept_max, _GOOD_S, clock)

    async def stored(self, session_id: str, *, changed: bool = False) -> Held | None:
        """The list that is stored now; RedisError when Redis does not say. `changed` where it probably is another."""
        key, last = keys.recommendation(session_id), self._lists.last(session_id)
        if last is not None and not changed:
            triple = cast(bytes | None, await self._redis.post(Call(("HGET", key, "t"))))
            if triple == last.triple.encode():
                self._lists.confirm(session_id, last)
                return last
        fields = cast(list[bytes | None], await self._redis.post(Call(("HMGET", key, "t", "body", "more", "o"))))
        held = _held(fields)
        self._lists.keep(session_id, held)
        return held

    def last_good(self, session_id: str) -> Held | None:
        """What was stored when Redis was last asked, for the time in which it does not answer."""
        return self._lists.good(session_id)

    def last_known(self, session_id: str) -> Remembered:
        """What the session had done when that was last asked for, for the same time."""
        fields = self._facts.good(session_id)
        return NOBODY if fields is None else Remembered(facts.decode(fields), None, "")

    def forget(self, session_id: str) -> None:
        self._lists.forget(session_id)
        self._facts.forget(session_id)

    async def remembered(self, session_id: str) -> Remembered:
        """The session's facts and vector; RedisError when Redis does not say."""
        call = Call(("HGETALL", keys.session(session_id)))
        vector = Call(("HMGET", keys.vector(session_id), "v", "tag"))
        asked = self._redis.post(call), self._redis.post(vector)
        fields, (held, tag) = cast(dict[bytes, bytes], await asked[0]), cast(list[bytes | None], await asked[1])
        self._facts.keep(session_id, fields or None)
        return Remembered(facts.decode(fields) if fields else None, held, (tag or b"").decode())


def _held(fields: list[bytes | None]) -> Held | None:
    triple, body, more, applied = fields
    if triple is None or body is None:
        return None
    told = _TOLD.decode(body)
    return Held(
        triple.decode(), body, more or b"[]", _applied(applied or b""), told.generated_at, told.model, told.fallback
    )


def _applied(packed: bytes) -> Mapping[str, int]:
    pairs = (entry.rpartition(":") for entry in packed.decode().split())
    return {lane: int(offset) for lane, _, offset in pairs}
