"""Ranking for whoever asks, between two of a session's clicks: under a placement's rules, or of given candidates.

It starts from the session's stored vector. One that is missing, or of another version or model, is encoded anew.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import compress
from typing import Final

import numpy as np

from schemas.placement import Placement
from schemas.recommendation import Item
from schemas.session import Action, Session
from serving.ranking import reasons
from serving.ranking.assortment import Assortment, Stocked
from serving.ranking.listed import chosen
from serving.ranking.pool import POOL
from serving.ranking.ranker import ASKED, EMPTY_CATALOGUE, EMPTY_SESSION, UNKNOWN_ITEMS, Ranker
from serving.ranking.rules import Rules
from serving.ranking.similar import Similar

#: A moment at which nothing is only announced.
_ALWAYS: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Ranking:
    items: Sequence[Item]
    #: How many candidates they were chosen from.
    pool_size: int
    fallback: str | None
    #: Of given candidates, those that are unknown or not to be had.
    dropped: Sequence[str] = ()


def anew(
    stocked: Stocked, session: Session, vector: bytes | None, now: int, rules: Rules, away: Set[str], limit: int
) -> Ranking:
    """A list out of a whole pool in which nothing is `away`: where the stored list has too little left."""
    ranker = stocked.ranker
    if not len(ranker.table):
        return Ranking((), 0, EMPTY_CATALOGUE)
    query = ranker.query(session.recent, now)
    hidden = stocked.hidden.copy()
    places = ranker.table.find(list(away))
    hidden[places[places >= 0]] = True
    [considered] = ranker.consider([query], hidden, [vector])
    items = chosen(ranker.listed(considered, POOL), stocked, rules, away, limit)
    return Ranking(items, len(considered.pool), _unknown(session, len(query)) or considered.fallback)


def among(stocked: Stocked, session: Session, vector: bytes | None, now: int, candidates: Sequence[str]) -> Ranking:
    """All of these that are to be had, in order."""
    ranker = stocked.ranker
    asked = list(dict.fromkeys(candidates))
    places = ranker.table.find(asked)
    there = ~stocked.lacks(asked, places)
    if len(ranker.table):
        there &= places >= 0
    announced = ranker.table.created_after(now)
    if len(announced):
        there &= ~np.isin(places, announced)
    dropped = list(compress(asked, (~there).tolist()))
    if not len(ranker.table):
        left = list(compress(asked, there.tolist()))
        return Ranking(as_given(left), len(left), EMPTY_CATALOGUE, dropped)
    query = ranker.query(session.recent, now)
    if not there.any():
        return Ranking((), 0, _unknown(session, len(query)), dropped)
    considered = ranker.weigh(query, places[there], stocked.hidden, vector)
    items = ranker.listed(considered, len(considered.pool))
    return Ranking(items, len(items), _unknown(session, len(query)) or considered.fallback, dropped)


def warm(ranker: Ranker) -> None:
    """What is compiled at its first call is compiled now, before anybody waits for it."""
    if not len(ranker.table):
        return
    stocked, item_ids = Assortment(ranker).stocked, ranker.table.named(range(min(2, len(ranker.table))))
    session = Session(recent=(Action(item_ids[0], "view", 0),))
    anew(stocked, session, None, _ALWAYS, Rules(Placement.default(), ranker.table), frozenset(), POOL)
    among(stocked, session, None, _ALWAYS, item_ids)
    Similar(ranker).like(item_ids[0], _ALWAYS)


def as_given(item_ids: Sequence[str]) -> list[Item]:
    """What nothing is known of but that it is there, in the order it came."""
    return [Item(item_id, rank, 0.0, ASKED, reasons.ASKED) for rank, item_id in enumerate(item_ids, start=1)]


def _unknown(session: Session, known: int) -> str | None:
    if known:
        return None
    return UNKNOWN_ITEMS if session.recent else EMPTY_SESSION
