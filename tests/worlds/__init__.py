"""Small worlds whose right answers are known by construction."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.click import Click
from schemas.item import Item
from schemas.session import Action, Session
from schemas.wire import EpochMs
from serving.ranking import bundle
from serving.ranking.counts import Counts
from serving.ranking.options import Options
from serving.ranking.past import Past
from serving.ranking.ranker import Ranker
from serving.ranking.reasons import Relation
from serving.ranking.sessions import Sessions
from serving.ranking.sources import ALL
from serving.ranking.table import Table

NOW = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class World:
    """Past sessions of a shop that sells `items` things, called by number."""

    items: int
    past: tuple[tuple[int, ...], ...]
    #: What its catalogue says of them; without, only what they are called.
    goods: tuple[Item, ...] = ()

    @property
    def sessions(self) -> Sessions:
        return Sessions.listed(self.past, self.items)

    @property
    def table(self) -> Table:
        goods = self.goods or tuple(Item(item_id=name(item), title=f"Thing {item}") for item in range(self.items))
        return Table.make((), {item.item_id: item for item in goods})

    @property
    def log(self) -> Past:
        return Past(self.sessions, self.table)

    @property
    def clicks(self) -> list[Click]:
        return [
            Click(
                event_id=f"{s}-{at}",
                session_id=f"s{s}",
                item_id=name(item),
                type="view",
                ts=EpochMs(NOW + 60_000 * s + 1000 * at),
            )
            for s, items in enumerate(self.past)
            for at, item in enumerate(items)
        ]


def name(item: int) -> str:
    return f"item-{item:04}"


def chain(items: int = 40, seed: int = 1) -> World:
    """Everybody walks up the shelf: after i comes i + 1, from wherever they began. Above that, everybody buys 0."""
    chance = random.Random(seed)
    begins = [chance.randrange(1, items - 4) for _ in range(items * 20)]
    return World(items, tuple((*range(begin, begin + 4), 0) for begin in begins))


def checkerboard(items: int = 20, seed: int = 1) -> World:
    """Nobody mixes colours: a session touches even items or odd ones."""
    chance = random.Random(seed)
    colours = [range(s % 2, items, 2) for s in range(items * 10)]
    return World(items, tuple(tuple(chance.choices(colour, k=5)) for colour in colours))


def shelves(items: int = 40, seed: int = 1) -> World:
    """Lamps are even, rugs odd; the first half is of Ash, the rest of Birch; the higher, the dearer; odd ones sell.

    The last four are new: in the catalogue, and touched by nobody.
    """
    chance = random.Random(seed)
    goods = tuple(
        Item(
            item_id=name(item),
            title=f"Thing {item}",
            category=("Rugs",) if item % 2 else ("Lamps",),
            brand="Ash" if item < items // 2 else "Birch",
            price=str(10 + item),
        )
        for item in range(items)
    )
    past = tuple(tuple(chance.choices(range(items - 4), k=4)) for _ in range(items * 10))
    return World(items, past, goods)


def fashion(items: int = 20) -> World:
    """What is touched changes: the lower half first, evenly, then the upper half, and item 0 always."""
    half = items // 2
    before = tuple((0, 1 + at % (half - 1)) for at in range(items * 20))
    after = tuple((0, half + at % half) for at in range(items * 2))
    return World(items, before + after)


def substitutes() -> World:
    """0 and 1 keep the same company, 2 and 3, and so do 4 and 5 with 6 and 7. Neither pair is ever seen together."""
    return World(8, ((0, 2), (0, 3), (1, 2), (1, 3), (4, 6), (4, 7), (5, 6), (5, 7)) * 5)


def ranker(world: World, *, drop_last_item: bool = False, relation: Relation = "viewed") -> Ranker:
    """What training would make of the world without a model, by the way a bundle takes."""
    return bundle.unpack(files(world, drop_last_item=drop_last_item, relation=relation)).ranker


def files(world: World, *, drop_last_item: bool = False, relation: Relation = "viewed") -> dict[str, bytes]:
    """The bundle of the world, but for its manifest."""
    past = world.log
    options = Options(
        drop_last_item=drop_last_item,
        relation=relation,
        quotas={kind.name: kind.quota for kind in ALL},
        weights={kind.name: kind.weight for kind in ALL},
    )
    sources = {kind.name: kind.fit(past) for kind in ALL}
    ranker = Ranker(past.table, sources, Counts.fit(past.sessions), None, options, "", "")
    return bundle.pack(ranker, past.sessions, None)


def hiding(ranker: Ranker, away: Iterable[str]) -> NDArray[np.bool_]:
    """These of the table's items, as the ranker takes what is hidden."""
    hidden = np.zeros(len(ranker.table), dtype=np.bool_)
    found = ranker.table.find(list(away))
    hidden[found[found >= 0]] = True
    return hidden


def session(items: Sequence[str]) -> Session:
    return Session(started=NOW, seen=NOW, recent=tuple(Action(item, "view", NOW) for item in items))
