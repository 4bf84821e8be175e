"""A worker that falls ill when it is sent SIGALRM: `python -m tests.kit.ill ILLNESS`."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from enum import StrEnum
from typing import Final, TypeVar
from unittest.mock import patch

from schemas.settings import Settings
from stream import app, transport

_LONG_S: Final = 600

T = TypeVar("T")


class Illness(StrEnum):
    """What is known to happen to a worker whose process lives on."""

    BATCHER_FROZEN = "batcher_frozen"  # the task that folds never goes on
    PARTITION_PAUSED = "partition_paused"  # one partition is not handed over any more
    CLIENT_HUNG = "client_hung"  # Kafka's client hangs, and hears nothing new
    LOOP_BLOCKED = "loop_blocked"  # something computes on the event loop, and does not end
    LOCK_HELD = "lock_held"  # native code keeps Python's lock: no thread runs


def main(illness: Illness) -> int:
    held: list[asyncio.Task[bool]] = []
    consumers, parts = _made(transport.WorkerConsumer), _made(app._Parts)

    def fall_ill(*_: object) -> None:
        [consumer] = consumers
        match illness:
            case Illness.BATCHER_FROZEN:
                held.append(consumer.loop.create_task(parts[0].ranking.turn.acquire()))
            case Illness.PARTITION_PAUSED:
                consumer.pause_partitions([min(consumer.assignment())])
            case Illness.CLIENT_HUNG:
                consumer._thread.thread_loop.call_soon_threadsafe(time.sleep, _LONG_S)
            case Illness.LOOP_BLOCKED:
                time.sleep(_LONG_S)
            case Illness.LOCK_HELD:
                ctypes.PyDLL(None).sleep(_LONG_S)

    signal.signal(signal.SIGALRM, fall_ill)
    return app.run(Settings.read(os.environ, {}))


def _made(kind: type[T]) -> list[T]:
    """All of that kind that are made from now on."""
    made: list[T] = []
    begin = kind.__init__

    def noted(self: T, *arguments: object, **options: object) -> None:
        made.append(self)
        begin(self, *arguments, **options)

    patch.object(kind, "__init__", noted).start()
    return made


if __name__ == "__main__":
    sys.exit(main(Illness(sys.argv[1])))
