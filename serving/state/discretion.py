"""What a process writes down for whoever looks after it: no shopper is named in it, whatever fails.

Of what nobody foresaw the log has the kind and the way there. Its words may be a shopper's id.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from typing import Any


def log_to_stderr(level: str, *libraries: str) -> None:
    """Of these libraries only what is wrong, even for debugging: what they log of records is ids and payloads."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Discreet("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for library in libraries:
        logging.getLogger(library).setLevel(logging.WARNING)


class _Discreet(logging.Formatter):
    """The failures of libraries go through it too, and what the event loop says of tasks."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name that logging calls
        return "\n".join(_failure(ei[1]))


def _failure(error: BaseException) -> Iterator[str]:
    """What led to it first."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _failure(before)
    frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    yield f"{type(error).__module__}.{type(error).__qualname__}, its words left out:\n{frames}"
