"""nextclick sandbox"""

from __future__ import annotations

import argparse
import shlex
import signal

from nextclick.stops import Stopped
from nextclick.verbs.declare import Verbs, verb
from schemas.settings import Settings


def declare(verbs: Verbs) -> None:
    sandbox = verb(
        verbs,
        "sandbox",
        "a Kafka-protocol broker and a Redis, in memory, until Ctrl-C",
        run=run,
        example="nextclick sandbox\nnextclick sandbox --env > sandbox.env &    # then: . ./sandbox.env",
    )
    sandbox.add_argument("--env", action="store_true", help="print the variables to export, and nothing else")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    from nextclick.sandbox import Sandbox

    try:
        with Sandbox() as sandbox:
            exports = [f"export {name}={shlex.quote(value)}" for name, value in sandbox.environment().items()]
            print(*(exports if arguments.env else _told(exports)), sep="\n", flush=True)
            while True:
                signal.pause()
    except Stopped:
        return 0


def _told(exports: list[str]) -> list[str]:
    return [
        "Kafka and Redis are up, in memory; Ctrl-C ends both and leaves nothing. In another terminal:",
        "",
        *("    " + line for line in exports),
        "    nextclick topics create",
        "",
    ]
