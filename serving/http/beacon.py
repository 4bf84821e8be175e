"""What a page sends as it closes: without headers, so that key and token are in the body beside the events."""

from __future__ import annotations

from typing import Final

import msgspec

from serving.http.problems import Refused
from serving.http.request import Request

MEDIA_TYPE: Final = "text/plain"


class Beacon(msgspec.Struct, frozen=True):
    """The body of a `navigator.sendBeacon`, JSON whatever its media type says."""

    key: str
    token: str
    events: list[msgspec.Raw]


DECODER: Final = msgspec.json.Decoder(Beacon)


def is_one(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == MEDIA_TYPE


def read(request: Request) -> Beacon:
    try:
        return DECODER.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "invalid", "a beacon is JSON with key, token and events") from None
