"""The event loop that the endpoint runs on: libuv's, in C. docs/serving.md has what it gains."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import uvloop


def run(main: Coroutine[Any, Any, None]) -> None:
    uvloop.run(main)
