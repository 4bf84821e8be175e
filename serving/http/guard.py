"""Who may ask, and how often: what every request passes before anything is done for it.

A missing or wrong key is refused. A token that proves nothing is no token: the answer is the one for a session that
nobody knows, so that nobody learns which there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Self
from urllib.parse import unquote_plus

from schemas import keys
from schemas.errors import SettingsError
from schemas.settings import Settings
from serving.http.addresses import Proxies, subscriber
from serving.http.buckets import Bucket, By, Rate, Shortage
from serving.http.cors import Cors, Headers
from serving.http.keys import SiteKeys
from serving.http.limits import Limits, Watch
from serving.http.problems import Refused
from serving.http.request import Caller, Request
from serving.http.response import Response
from serving.http.tokens import SigningKey, Tokens, read_secrets
from serving.state.gathered import Runs

_KEY_HEADER: Final = "x-api-key"
_TOKEN_HEADER: Final = "x-session-token"  # noqa: S105 - a header's name
#: What RFC 9110 wants of every 401.
_ASKS: Final = (("WWW-Authenticate", "ApiKey"),)
_SECOND_US: Final = 1_000_000
#: Who asked lately asks again: so many buckets need not be named anew.
_REMEMBERED: Final = 16_384
_TRUSTED: Final = Caller(trusted=True)


class Guard:
    """`security` says whether it asks for anything; what browsers are told is the same either way."""

    def __init__(self, settings: Settings, redis: Runs, watch: Watch, clock: Callable[[], float] = time.time) -> None:
        origins = settings.cors_origins.split(",") if settings.cors_origins else []
        self._cors = Cors(origins)
        self._door = Door.of(settings, redis, watch, clock) if settings.security == "on" else None

    async def admit(self, request: Request, *, stream: bool) -> Caller:
        """Who asks; Refused with 401 or 429. Of a stream's, key and token may stand in the query."""
        if self._door is None:
            return _TRUSTED
        key, token = request.headers.get(_KEY_HEADER, ""), request.headers.get(_TOKEN_HEADER, "")
        if stream:
            key, token = key or _in_query(request, "key"), token or _in_query(request, "token")
        return await self._door.admit(key, token, request)

    async def admit_beacon(self, key: str, token: str, request: Request) -> Caller:
        """Who sends what a closing page leaves behind, which can set no header."""
        return _TRUSTED if self._door is None else await self._door.admit(key, token, request)

    def headers(self, request: Request) -> Headers:
        return self._cors.headers(request)

    def preflight(self, request: Request, methods: Collection[str]) -> Response | None:
        return self._cors.preflight(request, methods)

    async def close(self) -> None:
        if self._door is not None:
            await self._door.limits.close()


class Door:
    """Keys, tokens and limits of an installation with security on."""

    def __init__(
        self,
        site_keys: SiteKeys,
        signing: list[SigningKey],
        settings: Settings,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self.limits: Final = limits
        self._keys = site_keys
        self._tokens = Tokens(settings.site, signing)
        self._proxies = Proxies.read(settings.trusted_proxies)
        self._rates: dict[By, Rate] = {
            "key": Rate.read(settings.key_limit),
            "session": Rate.read(settings.session_limit),
            "address": Rate.read(settings.address_limit),
        }
        self._mark_key = blake2b(signing[0].secret, person=b"limits").digest()
        self._bucket = lru_cache(_REMEMBERED)(self._named)
        self._clock = clock

    @classmethod
    def of(cls, settings: Settings, redis: Runs, watch: Watch, clock: Callable[[], float]) -> Self:
        site_keys, signing = SiteKeys.read(settings.site_keys), read_secrets(settings.token_secrets)
        if not site_keys:
            raise SettingsError(
                "security is on and site_keys is empty; `nextclick key` prints a key and its entry, and "
                "NEXTCLICK_SECURITY=off does without, which is for a demonstration"
            )
        if not signing:
            raise SettingsError(
                "security is on and token_secrets is empty; `nextclick key --secret` prints an entry, and "
                "NEXTCLICK_SECURITY=off does without, which is for a demonstration"
            )
        limits = Limits(redis, watch, lambda: time.monotonic_ns() // 1_000)
        return cls(site_keys, signing, settings, limits, clock)

    async def admit(self, key: str, token: str, request: Request) -> Caller:
        name = self._keys.name_of(key)
        if name is None:
            # Not counted: turning it away costs less than counting it.
            raise Refused(
                401, "key", "send the site key as X-Api-Key, to a stream as ?key=, in a beacon as `key`", headers=_ASKS
            )
        claims = self._tokens.verify(token, self._clock())
        caller = Caller(name, claims.sid, claims.uid) if claims else Caller(name)
        shortage = await self.limits.take(self._buckets(caller, request))
        if shortage is not None:
            raise _too_many(shortage)
        return caller

    def _buckets(self, caller: Caller, request: Request) -> list[Bucket]:
        """A session's is only touched by who proves to be it: nobody uses up another's."""
        address = self._proxies.client(request.address, request.headers.get("x-forwarded-for", ""))
        buckets = [self._bucket("key", caller.key), self._bucket("address", address)]
        if caller.session_id is not None:
            buckets.append(self._bucket("session", caller.session_id))
        return buckets

    def _named(self, by: By, name: str) -> Bucket:
        counted = subscriber(name) if by == "address" else name
        mark = blake2b(counted.encode(), key=self._mark_key, digest_size=12).hexdigest()
        return self._rates[by].bucket(by, keys.bucket(by, mark))


def _too_many(shortage: Shortage) -> Refused:
    wait_s = -(-shortage.wait_us // _SECOND_US)
    detail = f"more than one {shortage.by} may ask for; ask again when Retry-After says"
    return Refused(429, "too_many", detail, headers=(("Retry-After", str(wait_s)),))


def _in_query(request: Request, name: str) -> str:
    for part in request.query.split("&"):
        given, _, value = part.partition("=")
        if given == name:
            return unquote_plus(value)
    return ""
