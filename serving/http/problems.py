"""Why a request is refused, in the one shape that every error of the endpoint has (RFC 9457).

    400 invalid             a parameter, a header or the body is not what it must be; `field` names it
    401 key                 the site key is missing or wrong
    403 session             the token is not one for this session
    404 not_found           there is no such address, or no such item
    405 method              the address knows other methods
    408 timeout             the request did not come in time
    413 too_large           the body is larger than what is taken
    414, 431                the address or the headers are
    415 media_type          the body is of a kind that is not read
    429 too_many            more than the limit; `Retry-After` says when
    503 unavailable         what is behind the endpoint does not answer; `Retry-After` says when

Nothing of what the client sent is repeated in one but a member's name, where it is a plain word, and nothing of what we
look like inside.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from schemas.errors import DataError
from serving.http.response import Response

MEDIA_TYPE: Final = "application/problem+json; charset=utf-8"

TITLES: Final = {
    400: "The request is not what it must be",
    401: "The site key is missing or wrong",
    403: "The token is not one for this session",
    404: "There is no such thing",
    405: "The address knows other methods",
    408: "The request did not come in time",
    413: "The body is too large",
    414: "The address is too long",
    415: "The body is of a kind that is not read here",
    429: "Too many requests",
    431: "The headers are too large",
    500: "Something went wrong here",
    503: "What is needed for this does not answer",
}

_URN: Final = "urn:nextclick:"
#: What follows that in `type`.
CODES: Final = (
    "invalid", "key", "session", "not_found", "method", "timeout", "too_large", "address", "media_type", "too_many",
    "headers", "defect", "unavailable",
)  # fmt: skip

#: What any request may be answered with; 401 only where a key is asked for.
COMMON: Final = (400, 401, 404, 405, 408, 413, 414, 429, 431, 503)


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every error."""

    type: Annotated[str, Meta(description=f"{_URN} and {', '.join(CODES)}; others may come.")]
    title: str
    status: int
    detail: str = ""
    #: Which parameter, header or member of the body it is about.
    field: str = ""


class Refused(DataError):
    """Raised anywhere below a request; the client gets it as a Problem."""

    def __init__(
        self, status: int, code: str, detail: str, field: str = "", headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(code, detail)
        self.status: Final = status
        self.code: Final = code
        self.field: Final = field
        self.headers: Final = headers

    @property
    def problem(self) -> Problem:
        return Problem(
            type=f"{_URN}{self.code}",
            title=TITLES[self.status],
            status=self.status,
            detail=self.detail,
            field=self.field,
        )

    def response(self) -> Response:
        return Response(self.status, msgspec.json.encode(self.problem), MEDIA_TYPE, self.headers)
