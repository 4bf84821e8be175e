"""The most popular items as their vectors lie, laid flat in two ways, and how far that agrees with the catalogue.

PCA keeps what it can of all distances and shows little of any; t-SNE keeps who is near whom and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from serving.ranking.table import Table

#: So many items take seconds, whatever the catalogue holds; fewer make no map.
_MOST: Final = 1_500
_LEAST: Final = 10
#: Of vectors of length 1, a mean square distance from their middle that is rounding alone.
_NOTHING: Final = 1e-9
#: t-SNE looks at these leading directions alone, so many times, and at so many neighbours of each item.
_DIRECTIONS: Final = 30
_ROUNDS: Final = 500
_PERPLEXITY: Final = 30.0
#: Up to so many the threads of its approximation would wait for each other longer than they work.
_EXACT: Final = 200
#: Where t-SNE's own default begins: the items in a small heap, laid as PCA has them.
_HEAP: Final = 1e-4
#: Groups told apart by a colour each; what is left is one more.
_COLOURS: Final = 8
_NEIGHBOURS: Final = 10
#: Items pointed out by number, and how many of those nearest to each are named.
_LANDMARKS: Final = 10
_NAMED: Final = 3

OTHERS: Final = "others"
#: Where the catalogue has no two categories, items are told apart by how popular they are among those drawn.
_RANKS: Final = {"most popular 1%": 0.01, "1-10%": 0.1, "10-50%": 0.5, "50-100%": 1.0}


@dataclass(frozen=True, slots=True)
class Groups:
    """What colours say."""

    by: str
    names: tuple[str, ...]
    #: (items,) places in `names`.
    of: NDArray[np.int64]
    #: How many of the ten nearest items are of the same category, and how many would be by chance.
    alike: float | None = None
    by_chance: float | None = None


@dataclass(frozen=True, slots=True)
class Landmark:
    title: str
    near: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Atlas:
    #: (items, 2) the most popular item first.
    pca: NDArray[np.float64]
    tsne: NDArray[np.float64]
    #: What the two directions of `pca` hold of all there is.
    explained: tuple[float, float]
    groups: Groups
    #: The first of the items.
    landmarks: tuple[Landmark, ...]

    def __len__(self) -> int:
        return len(self.pca)

    @classmethod
    def of(cls, vectors: NDArray[np.float16], touched: NDArray[np.int64], table: Table) -> Self | None:
        """Of `vectors` (items, d); None where there is nothing to see. The same values give the same map."""
        drawn = _drawn(touched)
        if len(drawn) < _LEAST:
            return None
        places = vectors[drawn].astype(np.float64)
        directions = _directions(places)
        held = (directions**2).sum(axis=0)
        if held.sum() < _NOTHING * len(drawn):
            return None
        near = _nearest(places)
        return cls(
            pca=directions[:, :2],
            tsne=_tsne(directions[:, :_DIRECTIONS]),
            explained=(float(held[0] / held.sum()), float(held[1] / held.sum())),
            groups=_groups(table, drawn, near),
            landmarks=_landmarks(table, drawn, near),
        )


def _drawn(touched: NDArray[np.int64]) -> NDArray[np.int64]:
    """The most touched items, by index where equal."""
    most = np.argpartition(-touched, _MOST)[:_MOST] if len(touched) > _MOST else np.arange(len(touched))
    return most[np.lexsort((most, -touched[most]))]


def _directions(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every item along the directions that tell the most of them apart, at least two, as principal components do."""
    centred = places - places.mean(axis=0)
    left, lengths, right = np.linalg.svd(centred, full_matrices=False)
    # A direction has no sign of its own: that of its greatest part makes the map the same everywhere.
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    found: NDArray[np.float64] = left * lengths * signs
    return np.pad(found, ((0, 0), (0, max(0, 2 - found.shape[1]))))


def _tsne(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    begin = directions[:, :2] / directions[:, 0].std() * _HEAP
    nearby = min(_PERPLEXITY, (len(directions) - 1) / 3)
    way = "exact" if len(directions) <= _EXACT else "barnes_hut"
    laid = TSNE(perplexity=nearby, init=begin.astype(np.float32), max_iter=_ROUNDS, random_state=0, method=way)
    return np.asarray(laid.fit_transform(directions), dtype=np.float64)


def _nearest(places: NDArray[np.float64]) -> NDArray[np.int64]:
    """(items, neighbours) the nearest other items by cosine, nearest first."""
    unit = places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), 1e-12)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)
    return np.argsort(-likeness, axis=1, kind="stable")[:, : min(_NEIGHBOURS, len(places) - 1)]


def _groups(table: Table, drawn: NDArray[np.int64], near: NDArray[np.int64]) -> Groups:
    paths = [table.category(code) if code >= 0 else () for code in table.categories[drawn].tolist()]
    deepest = max(map(len, paths), default=0)
    for depth in range(1, deepest + 1):
        steps = [path[:depth] for path in paths]
        if len({step for step in steps if step}) > 1:
            return _by_category(steps, near)
    ends = [np.ceil(share * len(drawn)) for share in _RANKS.values()]
    return Groups("popularity", tuple(_RANKS), np.searchsorted(ends, np.arange(len(drawn)), side="right"))


def _by_category(steps: Sequence[tuple[str, ...]], near: NDArray[np.int64]) -> Groups:
    counts = Counter(step for step in steps if step)
    shown = sorted(counts, key=lambda step: (-counts[step], step))
    codes = {step: code for code, step in enumerate(shown)}
    own = np.array([codes.get(step, -1) for step in steps])
    has = own >= 0
    alike = (own[near] == own[:, None])[has].mean()
    sizes = np.bincount(own[has])
    by_chance = (sizes * (sizes - 1)).sum() / (sizes.sum() * (len(steps) - 1))
    names = tuple(" > ".join(step) for step in shown[:_COLOURS])
    of = np.where(has & (own < _COLOURS), own, len(names))
    return Groups("category", (*names, OTHERS), of, float(alike), float(by_chance))


def _landmarks(table: Table, drawn: NDArray[np.int64], near: NDArray[np.int64]) -> tuple[Landmark, ...]:
    titles = [table.title(index) for index in drawn.tolist()]
    return tuple(
        Landmark(titles[at], tuple(titles[other] for other in near[at, :_NAMED].tolist()))
        for at in range(min(_LANDMARKS, len(titles)))
    )
