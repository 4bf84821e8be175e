"""Visitors that are no people: too long or too quick for any hand. They would teach what crawlers do."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from serving.ranking.sessions import DEEDS
from training.choice import Sittings

#: An event a minute for sixteen hours: more than a shopper does, less than a crawler.
LENGTH_MAX: Final = 1_000
#: Nobody reads a page a second; a few may be opened at once in tabs, which is why it takes so many to be judged.
VIEWS_MIN: Final = 30
GAP_MIN_MS: Final = 1_000

_VIEW: Final = DEEDS.index("view")


def superhuman(sessions: Sittings, coarse: bool) -> NDArray[np.bool_]:
    """Per session, whether it is longer or quicker than a person. Where times are `coarse`, speed says nothing."""
    long = np.diff(sessions.starts) > LENGTH_MAX
    return long if coarse else long | _quick(sessions)


def _quick(sessions: Sittings) -> NDArray[np.bool_]:
    """By views alone: a basket is rung up at once."""
    views = sessions.events["type"] == _VIEW
    counts = np.bincount(sessions.owners[views], minlength=len(sessions))
    found = np.zeros(len(sessions), dtype=np.bool_)
    many = counts >= VIEWS_MIN
    times = sessions.events["ts"][views]
    ends = np.cumsum(counts)[many]
    spans = times[ends - 1] - times[ends - counts[many]]
    found[many] = spans < GAP_MIN_MS * (counts[many] - 1)
    return found
