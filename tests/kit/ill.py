"""A worker that falls ill when it is sent SIGALRM: `python -m tests.kit.ill ILLNESS`."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
import sys
import time
from enum import StrEnum
from typing import Final, TypeVar

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

    def fall_ill(*_: object) -> None:
        consumer = _only(transport.WorkerConsumer)
        match illness:
            case Illness.BATCHER_FROZEN:
                held.append(consumer.loop.create_task(_only(app._Parts).ranking.turn.acquire()))
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


def _only(kind: type[T]) -> T:
    gc.unfreeze()  # what a worker has loaded is out of the collector's sight, and so of ours
    (found,) = (thing for thing in gc.get_objects() if isinstance(thing, kind))
    return found


if __name__ == "__main__":
    sys.exit(main(Illness(sys.argv[1])))
