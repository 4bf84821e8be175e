"""What a shop offers now: the items of a bundle's table as its catalogue has them, and those that came later.

A catalogue that says nothing changes nothing. What it calls unavailable, or has deleted, is hidden until it is back:
at once, under whoever ranks. What it says otherwise of an item than in training, or of one that is new, is gathered
until the ranker grows: that makes another one, with the same model and counts over a table that has it all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.item import Entry, Item
from schemas.session import Session
from serving.ranking import words
from serving.ranking.growth import Growth
from serving.ranking.ranker import Ranked, Ranker
from serving.ranking.scorer import Scorer
from serving.ranking.sources.newcomers import NEWCOMERS_MAX, Newcomers

_NONE: Final = np.zeros((0, 0), dtype=np.float16)


@dataclass(slots=True)
class Absent:
    """What is not to be had."""

    #: Of a table's items.
    hidden: NDArray[np.bool_]  # (items,)
    #: And of others, which lists made with another table may hold: their ids.
    strange: set[str]
    #: How often anything went or came back.
    changes: int = 0

    def tell(self, item_id: str, place: int, gone: bool, lasts: bool) -> None:
        """`place` is the item's in the table, negative where it has none; one that does not last goes when it grows."""
        was = bool(self.hidden[place]) if place >= 0 else item_id in self.strange
        if place >= 0:
            self.hidden[place] = gone
        if gone and not lasts:
            self.strange.add(item_id)
        else:
            self.strange.discard(item_id)
        self.changes += was != gone


@dataclass(frozen=True, slots=True)
class Stocked:
    """A ranker, and what is not to be had. That alone changes, under whoever ranks."""

    ranker: Ranker
    absent: Absent

    @property
    def hidden(self) -> NDArray[np.bool_]:
        """(items,) Of the ranker's table, what is not to be had."""
        return self.absent.hidden

    def gone(self, item_ids: Sequence[str]) -> set[str]:
        """Which of these are not to be had, whether the table knows them or not."""
        return set(compress(item_ids, self.lacks(item_ids, self.ranker.table.find(item_ids)).tolist()))

    def lacks(self, item_ids: Sequence[str], places: NDArray[np.int32]) -> NDArray[np.bool_]:
        """The same of each of these, where the places that they have in the table are known."""
        gone = (
            self.absent.hidden[places] & (places >= 0) if len(self.absent.hidden) else np.zeros(len(places), np.bool_)
        )
        strange = self.absent.strange
        if strange:
            gone |= np.fromiter((item_id in strange for item_id in item_ids), np.bool_, len(item_ids))
        return gone

    @property
    def version(self) -> str:
        return self.ranker.version

    @property
    def counts_version(self) -> str:
        return self.ranker.counts_version

    def rank(self, sessions: Sequence[Session], now: int) -> list[Ranked]:
        return self.ranker.rank(sessions, now, self.hidden)


class Assortment:
    """Told one entry of the catalogue after another. What is as it was in training costs a byte of memory."""

    def __init__(self, ranker: Ranker) -> None:
        self._ranker: Final = ranker
        self._growth: Final = Growth(ranker.table)
        #: What came later and is to be had: what was told of it that counts, the last told at the end.
        self._late: Final[dict[str, Item]] = {}
        #: Whether something was told that what ranks does not know yet.
        self.outgrown = False
        self.stocked = Stocked(ranker, Absent(np.zeros(len(ranker.table), dtype=np.bool_), set()))

    @property
    def hidden(self) -> int:
        """How many items of the table are."""
        return int(np.count_nonzero(self.stocked.hidden))

    @property
    def newcomers(self) -> int:
        """How many of the items that rank came after the bundle was made."""
        return len(self.stocked.ranker.table) - len(self._ranker.table)

    def take(self, entries: Sequence[Entry]) -> list[str]:
        """From now on it is as they say; the items that are not to be had, known to the table or not."""
        absent, lasting = self.stocked.absent, range(len(self._ranker.table))
        places = self.stocked.ranker.table.find([entry.item_id for entry in entries])
        for entry, place in zip(entries, places.tolist(), strict=True):
            absent.tell(entry.item_id, place, not entry.is_offered, place in lasting)
            if entry.item is None or not entry.is_offered:
                self._late.pop(entry.item_id, None)
            elif place in lasting:
                self.outgrown |= self._growth.tell(place, entry.item)
            else:
                self.outgrown |= self._welcome(entry.item)
        return [entry.item_id for entry in entries if not entry.is_offered]

    def grow(self) -> Stocked:
        """What ranks from now on, and knows all that was told so far. It takes a while: never beside `take`."""
        known, base, absent = len(self._ranker.table), self._ranker, self.stocked.absent
        late, vectors = self._told()
        table = self._growth.table(late)
        hidden = np.zeros(len(table), dtype=np.bool_)
        hidden[:known] = absent.hidden[:known]
        model, counts, newcomers = base.model, base.counts, None
        if late and isinstance(model, Scorer):
            newcomers = Newcomers(model.vectors, vectors)
            model, counts = model.grown(vectors), counts.grown(len(late))
        rest = base.options, base.version, base.counts_version
        ranker = Ranker(table, base.sources, counts, model, *rest, newcomers)
        self.stocked = Stocked(ranker, Absent(hidden, absent.strange, absent.changes + 1))
        self.outgrown = False
        return self.stocked

    def _welcome(self, item: Item) -> bool:
        """Whether it is new, or otherwise than it was. Without words that tell it, it waits for the next training."""
        if not len(self._words):
            return False
        told = Item(
            item_id=item.item_id,
            title=item.title,
            category=item.category,
            brand=item.brand,
            price=item.price,
            created_at=item.created_at,
        )
        if self._late.get(item.item_id) == told:
            return False
        self._late.pop(item.item_id, None)
        self._late[item.item_id] = told
        if len(self._late) > NEWCOMERS_MAX:
            del self._late[next(iter(self._late))]
        return True

    def _told(self) -> tuple[list[Item], NDArray[np.float16]]:
        """What came later, in the order of its ids, and a vector for each; without what no word tells."""
        told = [(item, words.told(item, self._words)) for _, item in sorted(self._late.items())]
        late = [(item, vector) for item, vector in told if vector is not None]
        return [item for item, _ in late], np.array([vector for _, vector in late], dtype=np.float16)

    @property
    def _words(self) -> NDArray[np.float16]:
        model = self._ranker.model
        return model.words if isinstance(model, Scorer) else _NONE
