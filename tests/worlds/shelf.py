"""A shelf of a few items that everybody walks along, and who competes to foretell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from schemas.placement import Placement
from serving.ranking.past import Past
from serving.ranking.query import Query
from serving.ranking.sessions import Sessions
from serving.ranking.sources.source import NOBODY, Arrays, Candidates, Source
from serving.ranking.table import Table
from training.evaluate import Trained

ITEMS = 8
HOUR_MS = 3_600_000
NEXT = np.roll(np.eye(ITEMS, dtype=np.float32), 1, axis=1)  # after i comes i + 1


@dataclass(frozen=True, slots=True)
class Listing:
    """A source that answers every session with one list, equal scores and all."""

    ids: tuple[int, ...]
    scores: tuple[float, ...]
    asked: list[int] = field(default_factory=list)
    name: ClassVar[str] = "listing"
    quota: ClassVar[int] = 200
    weight: ClassVar[float] = 1.0
    counted: ClassVar[bool] = True

    @classmethod
    def fit(cls, past: Past) -> Self:
        """The past's items by how often they were touched."""
        counts = np.bincount(past.sessions.items, minlength=past.sessions.catalogue)
        order = np.argsort(-counts, kind="stable")
        return cls(tuple(order.tolist()), tuple(counts[order].tolist()))

    @classmethod
    def read(cls, arrays: Arrays, catalogue: int) -> Self:
        return cls(tuple(arrays["ids"].tolist()), tuple(arrays["scores"].tolist()))

    def arrays(self) -> Arrays:
        return {"ids": np.array(self.ids, dtype=np.int32), "scores": np.array(self.scores, dtype=np.float32)}

    def candidates(self, query: Query, limit: int) -> Candidates:
        self.asked.append(len(query))
        ids = np.array(self.ids[:limit], dtype=np.int32)
        return Candidates(ids, np.array(self.scores[:limit], dtype=np.float32), np.full_like(ids, NOBODY))


@dataclass(frozen=True, slots=True)
class Pool:
    ids: NDArray[np.int32]
    sources: NDArray[np.uint32]
    fusion: NDArray[np.float32]
    transformer: NDArray[np.float32]
    without_transformer: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Oracle:
    """A ranker that knows the next item; its transformer alone puts one before it, without it there is nothing."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    pasts: list[Sessions] = field(default_factory=list)

    @property
    def table(self) -> Table:
        return Table.make([f"item-{item}" for item in range(ITEMS)])

    def barred(self, query: Query) -> NDArray[np.int32]:
        return query.items[:0]

    @property
    def model(self) -> Self | None:
        return self

    @property
    def vectors(self) -> NDArray[np.float32]:
        return np.eye(ITEMS, dtype=np.float32)

    def encode(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        return np.stack([NEXT[query.items[-1]] if len(query) else np.zeros(ITEMS, np.float32) for query in queries])

    def judge(self, queries: Sequence[Query]) -> list[Pool]:
        return [self._judged(query) for query in queries]

    def recounted(self, past: Past) -> Self:
        self.pasts.append(past.sessions)
        return self

    def placed(self, placement: Placement) -> Self:
        return self

    def lists(self, queries: Sequence[Query]) -> list[list[int]]:
        """What comes next stands second."""
        return [[7, (int(query.items[-1]) + 1) % ITEMS] for query in queries]

    @staticmethod
    def _judged(query: Query) -> Pool:
        coming = (int(query.items[-1]) + 1) % ITEMS if len(query) else 0
        ids = np.array(sorted({coming, (coming + 1) % ITEMS, (coming + 2) % ITEMS}), dtype=np.int32)
        right, one_on = ids == coming, ids == (coming + 1) % ITEMS
        return Pool(
            ids,
            np.where(right, 0b101, 0b010).astype(np.uint32),
            right.astype(np.float32),
            (right + 2.0 * one_on).astype(np.float32),
            np.where(right, np.nan, 1).astype(np.float32),
        )


class Untrained(Oracle):
    """Its log was too small for a transformer."""

    @property
    def model(self) -> None:
        return None


def walk(*begins: int, length: int = 3) -> list[list[int]]:
    return [[(begin + step) % ITEMS for step in range(length)] for begin in begins]


def at(sessions: Sequence[Sequence[int]], *begins: int, step_ms: int = 1_000) -> Sessions:
    """Sessions that begin at these moments, an event a step."""
    made = Sessions.listed(sessions, ITEMS)
    steps = np.arange(len(made.items)) - made.starts[made.owners]
    times = np.array(begins, dtype=np.int64)[made.owners] + steps * step_ms
    return Sessions(made.items, made.types, times, made.starts, ITEMS)


def trained(snapshot: Sessions, *, drop_last_item: bool = False) -> Trained:
    return Trained("v1", snapshot, int(snapshot.times.max()), ("near", "far", "right"), drop_last_item)


def unclocked(sessions: Sequence[Sequence[int]]) -> Sessions:
    made = Sessions.listed(sessions, ITEMS)
    return Sessions(made.items, made.types, made.times, made.starts, ITEMS, clocked=False)
