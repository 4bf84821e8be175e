"""What lists of similar items are worth: how often the next click is in one, and whether they stay like the anchor.

The anchor is an item that was touched, what the session touched before it is the session, and what it touched next
is the target. Targets that no list may have, since the session knows them already, are asked for by nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.recommendation import PUBLISHED
from schemas.session import RECENT_MAX, Action, Session
from serving.ranking.ranker import Ranker
from serving.ranking.sessions import DEEDS
from serving.ranking.similar import Similar
from serving.ranking.titles import Titles
from training.predictions import Predictions

#: Sessions encoded at once.
_BLOCK: Final = 256
_NONE: Final = -1


@dataclass(frozen=True, slots=True)
class Case:
    """Indices of the ranker's table, and what the session had touched before the anchor."""

    anchor: int
    target: int
    session: Session
    now: int


@dataclass(frozen=True, slots=True)
class Worth:
    """Of lists of PUBLISHED."""

    hit_rate: float
    #: Same category as the anchor; where no item has one, cosine of the words of the titles.
    likeness: float
    #: How many lists that likeness is of: those whose anchor has what it is told by.
    likened: int


def cases(ranker: Ranker, predictions: Predictions, most: int, seed: int) -> list[Case]:
    """At most so many, by chance, in order; a session that knows nothing before the anchor has no case."""
    order = np.random.default_rng(seed).permutation(len(predictions))
    found = ((int(at), case) for at in order if (case := _case(ranker, predictions, int(at))) is not None)
    return [case for _, case in sorted(islice(found, most), key=lambda pair: pair[0])]


def _case(ranker: Ranker, predictions: Predictions, at: int) -> Case | None:
    past, event = predictions.sessions, int(predictions.events[at])
    begin = max(int(past.starts[predictions.owners[at]]), event - 1 - RECENT_MAX)
    anchor, target = int(past.items[event - 1]), int(predictions.targets[at])
    before = past.items[begin : event - 1]
    known = begin + np.flatnonzero((before >= 0) & (before < len(ranker.table)))
    if not 0 <= anchor < len(ranker.table) or not len(known) or target in (_NONE, anchor, *before):
        return None
    names = ranker.table.named(past.items[known].tolist())
    types, times = past.types[known].tolist(), past.times[known].tolist()
    recent = tuple(Action(name, DEEDS[deed], time) for name, deed, time in zip(names, types, times, strict=True))
    return Case(anchor, target, Session(recent=recent), int(past.times[event - 1]))


def measure(ranker: Ranker, asked: Sequence[Case], shares: Sequence[float]) -> dict[float, Worth]:
    """By how much the session has to say."""
    similar, told = Similar(ranker), _Likeness(ranker)
    vectors = list(_vectors(ranker, asked))
    return {share: _measured(similar, told, asked, vectors, share) for share in shares}


def _measured(
    similar: Similar, told: _Likeness, asked: Sequence[Case], vectors: Sequence[bytes], share: float
) -> Worth:
    hits, likeness = [], []
    for case, vector in zip(asked, vectors, strict=True):
        item_id = similar.ranker.table.id(case.anchor)
        found = similar.like(item_id, case.now, case.session, vector, share)
        listed = similar.ranker.table.find([item.item_id for item in found.items[:PUBLISHED]])
        hits.append(bool((listed == case.target).any()))
        if told.speaks_of(case.anchor):
            likeness.append(told.of(case.anchor, listed))
    return Worth(float(np.mean(hits)), float(np.mean(likeness)) if likeness else 0.0, len(likeness))


def _vectors(ranker: Ranker, asked: Sequence[Case]) -> Iterator[bytes]:
    """As a worker stores them."""
    if ranker.model is None:
        yield from [b""] * len(asked)
        return
    for begin in range(0, len(asked), _BLOCK):
        block = asked[begin : begin + _BLOCK]
        encoded = ranker.model.encode([ranker.query(case.session.recent, case.now) for case in block])
        yield from (vector.astype(np.float16).tobytes() for vector in encoded)


class _Likeness:
    """By something that the lists are not ordered by a model of: categories, or else titles."""

    def __init__(self, ranker: Ranker) -> None:
        self._categories = ranker.table.categories
        self._titles = None if (self._categories != _NONE).any() else Titles.of(ranker.table.titles)

    def speaks_of(self, anchor: int) -> bool:
        if self._titles is None:
            return bool(self._categories[anchor] != _NONE)
        return len(self._titles.of_item(anchor)) > 0

    def of(self, anchor: int, listed: NDArray[np.int32]) -> float:
        if not len(listed):
            return 0.0
        if self._titles is None:
            return float((self._categories[listed] == self._categories[anchor]).mean())
        return float(self._titles.likeness(anchor, listed).mean())
