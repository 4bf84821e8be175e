"""What the endpoint reads of a session: its list ready to send, its facts, its vector; each in one round trip.

A list that was read before is kept, and only its triple asked for: who polls an unchanged list costs a few
bytes. What Redis says stands; nothing is answered from here without its being asked.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

import msgspec

from schemas import facts, keys
from schemas.recommendation import Model
from schemas.session import Session
from serving.state.gathered import Gathered
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


@dataclass(slots=True)
class _Kept:
    held: Held
    #: As Redis has it.
    triple: bytes
    #: When Redis last said that it is still the one.
    confirmed_s: float


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
        self._kept_max = kept_max
        self._clock = clock
        #: The one last asked for is last.
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def stored(self, session_id: str, *, changed: bool = False) -> Held | None:
        """The list that is stored now; RedisError when Redis does not say. `changed` where it probably is another."""
        key, kept = keys.recommendation(session_id), self._kept.get(session_id)
        if kept is not None and not changed:
            self._kept.move_to_end(session_id)
            triple = cast(bytes | None, await self._redis.post(Call(("HGET", key, "t"))))
            if triple == kept.triple:
                kept.confirmed_s = self._clock()
                return kept.held
        fields = cast(list[bytes | None], await self._redis.post(Call(("HMGET", key, "t", "body", "more", "o"))))
        held = _held(fields)
        self._keep(session_id, held)
        return held

    def last_good(self, session_id: str) -> Held | None:
        """What was stored when Redis was last asked, for the time in which it does not answer."""
        kept = self._kept.get(session_id)
        return kept.held if kept is not None and self._clock() - kept.confirmed_s < _GOOD_S else None

    def forget(self, session_id: str) -> None:
        self._kept.pop(session_id, None)

    async def remembered(self, session_id: str) -> Remembered:
        """The session's facts and vector; RedisError when Redis does not say."""
        call = Call(("HGETALL", keys.session(session_id)))
        vector = Call(("HMGET", keys.vector(session_id), "v", "tag"))
        replies = await asyncio.gather(self._redis.post(call), self._redis.post(vector))
        fields, (held, tag) = cast(tuple[dict[bytes, bytes], list[bytes | None]], replies)
        return Remembered(facts.decode(fields) if fields else None, held, (tag or b"").decode())

    def _keep(self, session_id: str, held: Held | None) -> None:
        self._kept.pop(session_id, None)
        if held is None:
            return
        if len(self._kept) >= self._kept_max:
            self._kept.popitem(last=False)
        self._kept[session_id] = _Kept(held, held.triple.encode(), self._clock())


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
