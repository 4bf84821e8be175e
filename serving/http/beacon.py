"""What a page sends as it closes: without headers, so that key and token are in the body beside the events."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from serving.http.operations import invalid
from serving.http.problems import Refused
from serving.http.request import Request

MEDIA_TYPE: Final = "text/plain"
_FORM: Final = "a beacon is an object with key, token and events, which is a list"


class Beacon(msgspec.Struct, frozen=True):
    """The body of a `navigator.sendBeacon`, JSON whatever its media type says."""

    events: list[msgspec.Raw]
    key: Annotated[str, Meta(description="The site key; where security is off, nobody asks for it.")] = ""
    token: Annotated[str, Meta(description="The session's token, likewise.")] = ""


DECODER: Final = msgspec.json.Decoder(Beacon)


def is_one(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == MEDIA_TYPE


def read(request: Request) -> Beacon:
    try:
        return DECODER.decode(request.body)
    except msgspec.ValidationError as error:
        wrong = invalid(error)
        raise Refused(400, "invalid", f"{wrong.detail}; {_FORM}", wrong.field) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "invalid", f"it is not JSON; {_FORM}") from None
