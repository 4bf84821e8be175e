"""What the tests of the guard ask with: settings that are whole, requests, and a watch that remembers."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from schemas.setting import Secret
from schemas.settings import Settings
from serving.http.buckets import By
from serving.http.keys import entry
from serving.http.request import Request
from serving.http.tokens import Tokens, read_secrets

KEY: Final = "pub_of-the-tests"
SIGNING: Final = Secret("t1:a-secret-that-is-known-to-every-test")
SITE: Final = "shop"
NOW: Final = 1_800_000_000.0


def guarded(**chosen: Any) -> Settings:
    """An installation with everything configured."""
    return Settings(**{"site_keys": entry("web", KEY), "token_secrets": SIGNING, "site": SITE, **chosen})


def token(session_id: str, user_id: str | None = None, ttl_s: int = 3_600, now: float = NOW) -> str:
    return Tokens(SITE, read_secrets(SIGNING)).mint(session_id, user_id, ttl_s=ttl_s, now=now)


def request(address: str = "192.0.2.1", query: str = "", **headers: str) -> Request:
    """Headers as `x_api_key="..."`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("GET", "/v1/recommendations/s-1", query, named, address=address)


class Remembering:
    """A watch."""

    def __init__(self) -> None:
        self.refusals: Counter[By] = Counter()
        self.here = 0

    def limited(self, by: By) -> None:
        self.refusals[by] += 1

    def counted_here(self) -> None:
        self.here += 1
