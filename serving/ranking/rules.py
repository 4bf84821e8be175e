"""A placement's rules: which of a ranked list are shown, in what order.

1. What is excluded, what the placement hides of the session's own, and what is not to be had is left out.
2. What is boosted moves up by so many places and what is buried moves down; equal ones keep their order.
3. From the first on, what its brand or category has enough of already is passed over, up to the limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from typing import Final

from schemas.placement import Placement
from schemas.session import Session
from serving.ranking.table import Table

_NONE: Final = -1


def withheld(placement: Placement, session: Session) -> set[str]:
    """Items of the session that the placement does not show to it."""
    touched: set[str] = set()
    if "seen" in placement.hide:
        touched.update(action.item_id for action in session.recent)
    if "bought" in placement.hide:
        touched.update(session.bought)
    if "cart" in placement.hide:
        touched.update(session.cart)
    if "shown" in placement.hide:
        touched.update(session.shown)
    return touched


class Rules:
    """A placement's, over the items of one table. What a table says of a brand is looked up once."""

    def __init__(self, placement: Placement, table: Table) -> None:
        self._placement: Final = placement
        self._table: Final = table
        shifts = [(each, -each.places) for each in placement.boost] + [(each, each.places) for each in placement.bury]
        self._of_item: Final[Counter[str]] = Counter()
        for each, places in shifts:
            if each.item is not None:
                self._of_item[each.item] += places
        self._brands: Final = [(each.brand, places) for each, places in shifts if each.brand is not None]
        self._paths: Final = [(each.category, places) for each, places in shifts if each.category is not None]
        self._shifts: Final = bool(shifts)
        self._of_brand: Final[dict[int, int]] = {_NONE: 0}
        self._of_category: Final[dict[int, int]] = {_NONE: 0}

    def choose(self, item_ids: Sequence[str], away: Container[str], limit: int) -> list[int]:
        """Places in `item_ids`, which are best first, of those that are shown; nothing in `away` is."""
        left = [at for at, item_id in enumerate(item_ids) if item_id not in away]
        placement = self._placement
        if not (self._shifts or placement.per_brand or placement.per_category):
            return left[:limit]
        found = self._table.find([item_ids[at] for at in left])
        brands = [int(self._table.brands[each]) if each >= 0 else _NONE for each in found]
        categories = [int(self._table.categories[each]) if each >= 0 else _NONE for each in found]
        order = list(range(len(left)))
        if self._shifts:
            moved = [
                at + self._of_item[item_ids[left[at]]] + self._by_brand(brands[at]) + self._by_category(categories[at])
                for at in order
            ]
            order.sort(key=moved.__getitem__)
        return [left[at] for at in self._capped(order, brands, categories, limit)]

    def _capped(self, order: Sequence[int], brands: Sequence[int], categories: Sequence[int], limit: int) -> list[int]:
        shown: list[int] = []
        of_brand, of_category = Counter[int](), Counter[int]()
        for at in order:
            brand, category = brands[at], categories[at]
            if len(shown) == limit:
                break
            if _is_full(self._placement.per_brand, brand, of_brand):
                continue
            if _is_full(self._placement.per_category, category, of_category):
                continue
            of_brand[brand] += 1
            of_category[category] += 1
            shown.append(at)
        return shown

    def _by_brand(self, brand: int) -> int:
        if brand not in self._of_brand:
            name = self._table.brand(brand)
            self._of_brand[brand] = sum(places for each, places in self._brands if each == name)
        return self._of_brand[brand]

    def _by_category(self, category: int) -> int:
        if category not in self._of_category:
            path = self._table.category(category)
            self._of_category[category] = sum(places for each, places in self._paths if path[: len(each)] == each)
        return self._of_category[category]


def _is_full(cap: int | None, code: int, shown: Counter[int]) -> bool:
    return cap is not None and code != _NONE and shown[code] >= cap
