"""What a placement shows of the ranker's list, made by the code that the endpoint makes it by.

Of the items that a worker would store its rules choose; where they leave too few, from a pool of its own. What a
session bought and has in its cart is told by the events that are looked at; of what it was shown nothing is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from schemas.placement import Placement
from schemas.recommendation import PUBLISHED, Item
from schemas.session import Action, Session
from serving.ranking import demand
from serving.ranking.assortment import Absent, Stocked
from serving.ranking.listed import chosen
from serving.ranking.query import Query
from serving.ranking.ranker import Considered, Ranker
from serving.ranking.rules import Rules, withheld
from serving.ranking.sessions import DEEDS


class Placed:
    def __init__(self, ranker: Ranker, placement: Placement) -> None:
        self._stocked: Final = Stocked(ranker, Absent(np.zeros(len(ranker.table), dtype=np.bool_), set()))
        self._placement: Final = placement
        self._rules: Final = Rules(placement, ranker.table)
        self._limit: Final = min(PUBLISHED, placement.limit)

    def lists(self, queries: Sequence[Query]) -> list[list[int]]:
        """The items that each is shown, best first, as the table has them."""
        considered = self._stocked.ranker.consider(queries)
        shown = [self._shown(*each) for each in zip(queries, considered, strict=True)]
        return [self._stocked.ranker.table.find([item.item_id for item in items]).tolist() for items in shown]

    def _shown(self, query: Query, considered: Considered) -> Sequence[Item]:
        session = self._session(query)
        away = withheld(self._placement, session)
        stored = self._stocked.ranker.listed(considered)
        items = chosen(stored, self._stocked, self._rules, away, self._limit)
        if len(items) == self._limit:
            return items
        anew = demand.anew(self._stocked, session, None, query.now, self._rules, away, self._limit).items
        return anew if len(anew) > len(items) else items

    def _session(self, query: Query) -> Session:
        names = self._stocked.ranker.table.named(query.items.tolist())
        deeds = [DEEDS[deed] for deed in query.types.tolist()]
        bought, cart = set[str](), set[str]()
        for name, deed in zip(names, deeds, strict=True):
            if deed == "purchase":
                bought.add(name)
                cart.discard(name)
            elif deed == "cart":
                cart.add(name)
        recent = tuple(map(Action, names, deeds, query.times.tolist()))
        return Session(recent=recent, bought=tuple(bought), cart=tuple(cart))
