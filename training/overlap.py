"""Nothing is foretold that was trained on: the one mistake that makes every figure beautiful."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np

from schemas.errors import DataError
from serving.ranking.sessions import Sessions
from training.clock import written

#: Without a clock, so many of the test sessions may stand in training by chance: two shoppers can do the same.
_ALIKE_MAX: Final = 0.05
#: Shorter sessions are no evidence: that many do the same two or three things says nothing of where they come from.
_EVIDENCE_MIN: Final = 4

_REMEDY: Final = "or measure all the same with --allow-overlap, which the protocol then says"


def check(test: Sessions, trained: Sessions, last_ts: int) -> None:
    """DataError when the test sessions begin before training ended, or, without a clock, stand in it word for word."""
    if not (test.clocked and trained.clocked):
        _check_alike(test, trained)
    elif len(test.items) and (early := int(np.count_nonzero(test.times <= last_ts))):
        last, after = written(last_ts), written(last_ts + 1)
        detail = f"{early} of {len(test.items)} events are not from after the bundle's last training event, {last}"
        raise DataError("overlap", f"{detail}; evaluate on what is after it with --since {after}, {_REMEDY}")


def _check_alike(test: Sessions, trained: Sessions) -> None:
    share = alike(test, trained)
    if share > _ALIKE_MAX:
        long = f"the test sessions of {_EVIDENCE_MIN} events or more"
        detail = f"{share:.0%} of {long} stand word for word in training, and {_ALIKE_MAX:.0%} may"
        raise DataError("overlap", f"{detail}; evaluate on sessions that were not trained on, {_REMEDY}")


def alike(test: Sessions, trained: Sessions) -> float:
    """Of the test sessions that are evidence, the share whose items are a training session's, in its order."""
    words = set(_words(trained))
    asked = _words(test)
    return sum(word in words for word in asked) / len(asked) if asked else 0.0


def _words(sessions: Sessions) -> list[bytes]:
    """The items of every session that is evidence, as bytes."""
    items, size = sessions.items.astype(np.int32).tobytes(), np.dtype(np.int32).itemsize
    bounds = sessions.starts.tolist()
    return [items[begin * size : end * size] for begin, end in pairwise(bounds) if end - begin >= _EVIDENCE_MIN]
