"""The endpoint's own server answering everybody the same, without looking at anything: what there is to lose.

python -m nextclick.bench.constant HOST PORT BYTES
"""

from __future__ import annotations

import asyncio
import sys

from serving.http.connection import Bounds
from serving.http.loop import run
from serving.http.request import Request
from serving.http.response import Response
from serving.http.server import Server

_CONNECTIONS = 1_024


def main(host: str, port: int, size: int) -> None:
    answer = Response(200, b"x" * size)

    async def answers(_: Request) -> Response:
        return answer

    async def serve() -> None:
        await Server(answers, Bounds(), _CONNECTIONS).start(host, port)
        await asyncio.Event().wait()

    run(serve())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
