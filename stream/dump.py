"""What the log is to hold when a worker ends itself: each partition, each task's chain of awaits, each thread's stack.

Code and numbers alone: no record, no session id, no value of a variable. It is drawn from a thread, and needs no event
loop that runs.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

from stream.progress import Lane

#: Where a coroutine, an asynchronous generator and a generator keep their frame and what they wait for.
_FRAMES: Final = ("cr_frame", "ag_frame", "gi_frame")
_AWAITED: Final = ("cr_await", "ag_await", "gi_yieldfrom")
_LINKS_MAX: Final = 50


def lanes(seen: Sequence[Lane], now_ms: int) -> Iterator[str]:
    for lane in seen:
        heard = lane.heard
        yield (
            f"partition {lane.partition}: assigned {(now_ms - lane.assigned_at) / 1000:.1f} s ago, "
            f"last acknowledged {lane.acknowledged}, {(now_ms - lane.moved_at) / 1000:.1f} s ago or not since, "
            f"read to {lane.read}, position {heard.position}, committed {heard.committed}, log end {heard.end}, "
            f"lag {lane.lag}"
        )


def tasks(loops: Iterable[asyncio.AbstractEventLoop]) -> Iterator[str]:
    """One line a task, from the coroutine it runs to what that waits for in the end."""
    for loop in loops:
        yield from sorted(f"task: {' > '.join(_chain(task.get_coro()))}" for task in asyncio.all_tasks(loop))


def threads() -> Iterator[str]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - documented, and nothing else tells
        yield f"thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame)).rstrip()}"


def _chain(awaited: object) -> Iterator[str]:
    for _ in range(_LINKS_MAX):
        frame = _first(awaited, _FRAMES)
        if isinstance(frame, FrameType):
            file = "/".join(Path(frame.f_code.co_filename).parts[-2:])
            yield f"{frame.f_code.co_qualname} ({file}:{frame.f_lineno})"
        awaited = _first(awaited, _AWAITED)
        if awaited is None:
            return


def _first(thing: object, names: Iterable[str]) -> object:
    return next((value for name in names if (value := getattr(thing, name, None)) is not None), None)
