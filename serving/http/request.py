"""What a client asked, as the parts of the endpoint see it: checked for its size and its syntax, for nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Request(msgspec.Struct, frozen=True):
    method: str
    #: As it came, without the query; nothing in it is decoded.
    path: str
    query: str = ""
    #: Names in lower case; each at most once.
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""
    #: Where it came from, or what the proxy that we trust says of that.
    address: str = ""


class Caller(msgspec.Struct, frozen=True):
    """Who asks, as far as key and token prove it."""

    #: Which of the site's keys; its name, not the key.
    key: str = ""
    #: The session that the token is for; None without a token, or with one that proves nothing.
    session_id: str | None = None
    user_id: str | None = None
    #: Security is switched off: whoever asks may name any session.
    trusted: bool = False

    def may_see(self, session_id: str) -> bool:
        return self.trusted or self.session_id == session_id
