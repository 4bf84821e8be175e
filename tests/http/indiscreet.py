"""An endpoint that fails on a shopper, and names them: `python -m tests.http.indiscreet serve`."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator

from nextclick import cli
from serving.http.recommendations import Asked, Recommendations
from serving.http.request import Caller, Request
from serving.http.response import Response
from serving.http.streams import Streams


async def answer(self: Recommendations, asked: Asked, request: Request, caller: Caller) -> Response:
    try:
        raise KeyError(asked.session_id)
    except KeyError as error:
        raise ValueError(f"no list for {asked.session_id}") from error


async def events(self: Streams, session_id: str, *_: object) -> AsyncGenerator[bytes, None]:
    yield b"retry: 2000\n\n"
    raise LookupError(session_id)


if __name__ == "__main__":
    setattr(Recommendations, "answer", answer)  # noqa: B010 - a stand-in, which types would not let in
    setattr(Streams, "_events", events)  # noqa: B010
    sys.exit(cli.main(sys.argv[1:]))
