"""An endpoint with a part that breaks when its process is sent SIGUSR1: `python -m tests.http.frail serve`."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from typing import Final

from nextclick import cli
from serving.state.channels import Channels

_struck: Final = threading.Event()


async def listen(*_: object) -> None:
    while not _struck.is_set():  # noqa: ASYNC110 - a signal sets it, before there is a loop or after
        await asyncio.sleep(0.05)
    raise RuntimeError("a part that never ends has ended")


if __name__ == "__main__":
    # Both before anything is forked, so that every process has them.
    signal.signal(signal.SIGUSR1, lambda *_: _struck.set())
    setattr(Channels, "listen", listen)  # noqa: B010 - a stand-in, which types would not let in
    sys.exit(cli.main(sys.argv[1:]))
