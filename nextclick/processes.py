"""The endpoint's processes: several share one port, a lost one is replaced, and all end with the first.

A process is forked before anything heavy is loaded. It holds the reading end of a pipe whose writing end
only the parent has: when that closes, however the parent ended, the process drains.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from types import FrameType
from typing import Final

from nextclick.terminal import say
from schemas.errors import NextclickError
from schemas.settings import Settings
from serving.http.ports import claim

#: A process that ends unasked is replaced after this; one that cannot begin would otherwise be begun for ever.
_PAUSE_S: Final = 1.0
#: What would come out the same if it were tried again: a wrong setting.
_FINAL: Final = frozenset({64, 78})


def serve(settings: Settings) -> int:
    claim(settings.serve_host, settings.serve_port)
    if settings.serve_processes == 1:
        return _serve(settings, 0, None)
    return _Family(settings).live()


def _serve(settings: Settings, number: int, lifeline: int | None) -> int:
    from serving.http import process

    def follow(ended: asyncio.Event) -> None:
        if lifeline is not None:
            asyncio.get_running_loop().add_reader(lifeline, _parted, lifeline, ended)

    return process.run(settings, number, follow)


def _parted(lifeline: int, ended: asyncio.Event) -> None:
    asyncio.get_running_loop().remove_reader(lifeline)
    ended.set()


class _Family:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._children: dict[int, int] = {}
        self._ending = False
        self._lifeline, self._ours = os.pipe()

    def live(self) -> int:
        """Until a signal asks it to end, or a process ends with what trying again would not change."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._end)
        for number in range(self._settings.serve_processes):
            self._bear(number)
        code = 0
        while self._children:
            pid, status = os.wait()
            number, ended = self._children.pop(pid), os.waitstatus_to_exitcode(status)
            if ended in _FINAL:
                code = ended
                self._end(signal.SIGTERM, None)
            elif not self._ending:
                say(f"process {number} of the endpoint ended with {ended} and is replaced")
                time.sleep(_PAUSE_S)
                if not self._ending:
                    self._bear(number)
        return code

    def _bear(self, number: int) -> None:
        pid = os.fork()
        if pid:
            self._children[pid] = number
            return
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        os.close(self._ours)
        os._exit(_outcome(self._settings, number, self._lifeline))

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._ending = True
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)


def _outcome(settings: Settings, number: int, lifeline: int) -> int:
    try:
        return _serve(settings, number, lifeline)
    except NextclickError as error:
        say(f"nextclick: {error}")
        return error.exit_code
