"""Small worlds whose right answers are known by construction."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.click import Click
from schemas.session import Action, Session
from schemas.wire import EpochMs
from serving.ranking import bundle
from serving.ranking.ranker import Options, Ranker
from serving.ranking.reasons import Relation
from serving.ranking.sessions import Sessions
from serving.ranking.sources.covisitation import Covisitation
from serving.ranking.sources.popular import Popular
from serving.ranking.sources.session_items import SessionItems
from serving.ranking.sources.source import Source
from serving.ranking.table import Table

NOW = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class World:
    """Past sessions of a shop that sells `items` things, called by number."""

    items: int
    past: tuple[tuple[int, ...], ...]

    @property
    def sessions(self) -> Sessions:
        return Sessions.listed(self.past, self.items)

    @property
    def table(self) -> Table:
        return Table({name(item): f"Thing {item}" for item in range(self.items)})

    @property
    def clicks(self) -> list[Click]:
        return [
            Click(
                event_id=f"{s}-{at}", session_id=f"s{s}", item_id=name(item), type="view", ts=EpochMs(NOW + 1000 * at)
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


def ranker(world: World, *, repeats: bool = True, relation: Relation = "viewed") -> Ranker:
    """What training would make of the world, by the way a bundle takes."""
    past = world.sessions
    sources: dict[str, Source] = {
        "session_items": SessionItems.fit(past),
        "covisitation": Covisitation.fit(past),
        "popular": Popular.fit(past),
    }
    options = Options(
        repeats=repeats,
        relation=relation,
        quotas={"session_items": 50, "covisitation": 110, "popular": 200},
        weights={"session_items": 0.5, "covisitation": 1.0, "popular": 0.1},
    )
    return bundle.unpack(bundle.pack(world.table, options, sources))


def session(items: Sequence[str]) -> Session:
    return Session(started=NOW, seen=NOW, recent=tuple(Action(item, "view", NOW) for item in items))
