"""Nothing is foretold that was trained on: the one mistake that makes every figure beautiful."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

import numpy as np

from schemas.errors import DataError
from serving.ranking.sessions import Sessions

#: Without a clock, so many of the test sessions may stand in training by chance: two shoppers can do the same.
_ALIKE_MAX: Final = 0.05

_REMEDY: Final = "or measure all the same with --allow-overlap, which the protocol then says"


def check(test: Sessions, trained: Sessions, last_ts: int) -> None:
    """DataError when the test sessions begin before training ended, or, without a clock, stand in it word for word."""
    if not (test.clocked and trained.clocked):
        _check_alike(test, trained)
    elif len(test.items) and (early := int(np.count_nonzero(test.times < last_ts))):
        until = written(last_ts)
        detail = f"{early} of {len(test.items)} events are from before the bundle's last training event, {until}"
        raise DataError("overlap", f"{detail}; evaluate on what is after it with --since {until}, {_REMEDY}")


def _check_alike(test: Sessions, trained: Sessions) -> None:
    share = alike(test, trained)
    if share > _ALIKE_MAX:
        detail = f"{share:.0%} of the test sessions stand word for word in training, and {_ALIKE_MAX:.0%} may"
        raise DataError("overlap", f"{detail}; evaluate on sessions that were not trained on, {_REMEDY}")


def alike(test: Sessions, trained: Sessions) -> float:
    """The share of the test sessions with something to foretell whose items are a training session's, in its order."""
    words = set(_words(trained))
    asked = _words(test)
    return sum(word in words for word in asked) / len(asked) if asked else 0.0


def _words(sessions: Sessions) -> list[bytes]:
    """The items of every session of two events or more, as bytes."""
    items, size = sessions.items.astype(np.int32).tobytes(), np.dtype(np.int32).itemsize
    bounds = sessions.starts.tolist()
    return [items[begin * size : end * size] for begin, end in pairwise(bounds) if end - begin > 1]


def written(ts: int) -> str:
    """A time of a log as --since and --until take it."""
    return datetime.fromtimestamp(ts / 1000, UTC).isoformat(timespec="milliseconds")
