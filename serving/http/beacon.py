"""What a page sends as it closes: without headers, so that key and token are in the body beside the events."""

from __future__ import annotations

from typing import Final

import msgspec

MEDIA_TYPE: Final = "text/plain"


class Beacon(msgspec.Struct, frozen=True):
    """The body of a `navigator.sendBeacon`, JSON whatever its media type says."""

    key: str
    token: str
    events: list[msgspec.Raw]


DECODER: Final = msgspec.json.Decoder(Beacon)
