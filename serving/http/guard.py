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
from serving.http.admission import Admission
from serving.http.buckets import Bucket, By, Rate
from serving.http.cors import Cors
from serving.http.keys import SiteKeys
from serving.http.limits import Joins, Limits, Watch
from serving.http.problems import Refused
from serving.http.request import Caller, Request
from serving.http.response import Headers, Response
from serving.http.tokens import SigningKey, Tokens, read_secrets

_KEY_HEADER: Final = "x-api-key"
_TOKEN_HEADER: Final = "x-session-token"  # noqa: S105 - a header's name
#: What RFC 9110 wants of every 401.
_ASKS: Final = (("WWW-Authenticate", "ApiKey"),)
#: Who asked lately asks again: so many buckets need not be named anew.
_REMEMBERED: Final = 16_384
_MAKES: Final = {
    "site_keys": "`nextclick key` prints a key and its entry",
    "token_secrets": "`nextclick key --secret` prints an entry",
}
_TRUSTED: Final = Admission(Caller(trusted=True))


class Guard:
    """`security` says whether it asks for anything; what browsers are told is the same either way."""

    def __init__(self, settings: Settings, redis: Joins, watch: Watch, clock: Callable[[], float] = time.time) -> None:
        origins = settings.cors_origins.split(",") if settings.cors_origins else []
        self._cors = Cors(origins)
        self._door = Door.of(settings, redis, watch, clock) if settings.security == "on" else None

    def admit(self, request: Request, *, stream: bool) -> Admission:
        """Who asks; Refused with 401. Of a stream's, key and token may stand in the query."""
        if self._door is None:
            return _TRUSTED
        key, token = request.headers.get(_KEY_HEADER, ""), request.headers.get(_TOKEN_HEADER, "")
        if stream:
            key, token = key or _in_query(request, "key"), token or _in_query(request, "token")
        return self._door.admit(key, token, request)

    def admit_beacon(self, key: str, token: str, request: Request) -> Admission:
        """Who sends what a closing page leaves behind, which can set no header."""
        return _TRUSTED if self._door is None else self._door.admit(key, token, request)

    def headers(self, request: Request) -> Headers:
        return self._cors.headers(request)

    def preflight(self, request: Request, methods: Collection[str]) -> Response | None:
        return self._cors.preflight(request, methods)


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
        self._limits = limits
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
        self._buckets = lru_cache(_REMEMBERED)(self._those_of)
        self._clock = clock

    @classmethod
    def of(cls, settings: Settings, redis: Joins, watch: Watch, clock: Callable[[], float]) -> Self:
        site_keys, signing = SiteKeys.read(settings.site_keys), read_secrets(settings.token_secrets)
        lacking = [name for name, there in (("site_keys", site_keys), ("token_secrets", signing)) if not there]
        if lacking:
            advice = " and ".join(_MAKES[name] for name in lacking)
            raise SettingsError(
                f"security is on without {' and '.join(lacking)}; {advice}, and NEXTCLICK_SECURITY=off does without, "
                "which is for a demonstration"
            )
        limits = Limits(redis, watch, lambda: time.monotonic_ns() // 1_000)
        return cls(site_keys, signing, settings, limits, clock)

    def admit(self, key: str, token: str, request: Request) -> Admission:
        name = self._keys.name_of(key)
        if name is None:
            # Not counted: turning it away costs less than counting it.
            raise Refused(
                401, "key", "send the site key as X-Api-Key, to a stream as ?key=, in a beacon as `key`", headers=_ASKS
            )
        claims = self._tokens.verify(token, self._clock())
        caller = Caller(name, claims.sid, claims.uid) if claims else Caller(name)
        address = self._proxies.client(request.address, request.headers.get("x-forwarded-for", ""))
        return Admission(caller, self._limits.take(self._buckets(name, address, caller.session_id)))

    def _those_of(self, name: str, address: str, session_id: str | None) -> tuple[Bucket, ...]:
        """A session's is only touched by who proves to be it: nobody uses up another's."""
        buckets = self._bucket("key", name), self._bucket("address", address)
        return buckets if session_id is None else (*buckets, self._bucket("session", session_id))

    def _named(self, by: By, name: str) -> Bucket:
        counted = subscriber(name) if by == "address" else name
        mark = blake2b(counted.encode(), key=self._mark_key, digest_size=12).hexdigest()
        return self._rates[by].bucket(by, keys.bucket(by, mark))


def _in_query(request: Request, name: str) -> str:
    for part in request.query.split("&"):
        given, _, value = part.partition("=")
        if given == name:
            return unquote_plus(value)
    return ""
