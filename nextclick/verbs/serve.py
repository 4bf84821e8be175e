"""nextclick serve"""

from __future__ import annotations

import argparse
import dataclasses
from typing import Final

from nextclick.stops import Stopped
from nextclick.verbs.declare import Verbs, verb
from schemas.settings import Settings

_PORT_MAX: Final = 65_535


def declare(verbs: Verbs) -> None:
    parser = verb(
        verbs,
        "serve",
        "the endpoint: recommendations over HTTP, and events in",
        run=run,
        example="NEXTCLICK_BUNDLE=/var/lib/nextclick/bundle nextclick serve --port 8080",
    )
    parser.add_argument("--host", help="the address to serve on; else NEXTCLICK_SERVE_HOST")
    parser.add_argument("--port", type=_port, help="the port to serve on; else NEXTCLICK_SERVE_PORT")


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 1 to {_PORT_MAX}")
    return int(text)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick import processes

    given = {"serve_host": arguments.host, "serve_port": arguments.port}
    chosen = dataclasses.replace(settings, **{name: value for name, value in given.items() if value is not None})
    try:
        return processes.serve(chosen)
    except Stopped:
        return 0  # asked to end before it began; later it drains
