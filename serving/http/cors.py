"""Which pages' scripts may read answers. An origin that is not on the list is never repeated."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from serving.http.request import Request
from serving.http.response import Headers, Response

_METHODS: Final = ("GET", "POST", "DELETE")
_ASKED: Final = "X-Api-Key, X-Session-Token, Content-Type, If-None-Match, Last-Event-ID"
#: Scripts see the harmless ones anyway; these only where they are named.
EXPOSED: Final = (
    "Age",
    "ETag",
    "Retry-After",
    "Nextclick-Behind",
    "Nextclick-Fallback",
    "Nextclick-Generated-At",
    "Nextclick-Model",
    "Nextclick-Version",
)
_MAX_AGE_S: Final = 600
#: Caches keep answers to one origin from another, also where this one is not on the list.
_ALWAYS: Final[Headers] = (("Vary", "Origin"),)


class Cors:
    """What each origin is answered, made once."""

    def __init__(self, origins: Sequence[str]) -> None:
        exposed = ", ".join(EXPOSED)
        self._known: Final[dict[str, Headers]] = {
            origin: (*_ALWAYS, ("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", exposed))
            for origin in origins
        }

    def headers(self, request: Request) -> Headers:
        """Beside those of the answer itself, on every one of them."""
        return self._known.get(request.headers.get("origin", ""), _ALWAYS)

    def preflight(self, request: Request, methods: Collection[str]) -> Response | None:
        """The answer to a browser that asks whether it may ask; None for any other request.

        `methods` are those of the address. Who is not on the list gets the same, without what it hopes for.
        """
        asked = request.headers
        if request.method != "OPTIONS" or "origin" not in asked or "access-control-request-method" not in asked:
            return None
        if asked["origin"] not in self._known:
            return Response(204)
        return Response(
            204,
            headers=(
                ("Access-Control-Allow-Methods", ", ".join(each for each in _METHODS if each in methods)),
                ("Access-Control-Allow-Headers", _ASKED),
                ("Access-Control-Max-Age", str(_MAX_AGE_S)),
            ),
        )
