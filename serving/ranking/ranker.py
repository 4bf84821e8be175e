"""The ranker: sessions go in, ranked items with their reasons come out.

    pool      at most 200 candidates, from sources that were counted in advance        pool.py, sources/
    score     temperature x <session vector, item vector> + a learned correction       scorer.py, features.py
    order     by that score; ties by item id

Without a model, or where its scores are no numbers, the order is weighted reciprocal-rank fusion: a candidate scores
weight / (60 + rank) at each source that brought it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate, pairwise
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from schemas.recommendation import STORED, Item, Reason
from schemas.session import Action, Session
from serving.ranking import reasons
from serving.ranking.compiled import compiled
from serving.ranking.counts import Counts
from serving.ranking.features import features
from serving.ranking.options import LEARNED, Options
from serving.ranking.past import Past
from serving.ranking.pool import NOTHING, Pool, Quota, asked_for, gather_all
from serving.ranking.query import Query
from serving.ranking.reasons import Relation
from serving.ranking.scorer import Model
from serving.ranking.sessions import DEEDS
from serving.ranking.sources import ALIKE, BOUNDLESS
from serving.ranking.sources.newcomers import Newcomers
from serving.ranking.sources.source import NOBODY, Source
from serving.ranking.table import Table

#: The constant of Cormack, Clarke and Buettcher (2009): it keeps the first few ranks from deciding alone.
_FUSION: Final = 60.0

EMPTY_CATALOGUE: Final = "empty_catalogue"
EMPTY_SESSION: Final = "empty_session"
UNKNOWN_ITEMS: Final = "unknown_items"
#: The model's scores were no numbers, and the list was ordered without it.
NOT_FINITE: Final = "not_finite"
#: The log was too small to learn an order from.
RECIPROCAL: Final = "reciprocal_rank"
#: Why an order is not the best there is although no service is missing.
LESSER: Final = frozenset({EMPTY_SESSION, UNKNOWN_ITEMS, NOT_FINITE, RECIPROCAL})

#: The source of a candidate that none of ours brought.
ASKED: Final = "asked"

#: Kinds of reasons as kernels tell them: with their subject, an item or a category, each is one whole number.
_SEEN, _TOGETHER, _LIKE, _POPULAR_IN, _POPULAR, _ASKED = range(6)
_KIND: Final = 1 << 32

#: Reasons that are kept in words.
_REMEMBERED: Final = 1 << 13

_CODES: Final = {deed: code for code, deed in enumerate(DEEDS)}


@dataclass(frozen=True, slots=True)
class Ranked:
    """The answer for one session."""

    #: At most STORED of them, best first.
    items: tuple[Item, ...]
    pool_size: int
    #: Why this is not the ranker's best answer; None when it is.
    fallback: str | None = None
    #: The session vector as Redis holds it, float16; None where there is no model or no known item.
    vector: bytes | None = None


@dataclass(frozen=True, slots=True)
class Considered:
    """A session's candidates and all that was made of them."""

    pool: Pool
    scores: NDArray[np.float64]  # (n,)
    logits: NDArray[np.float32]  # (n,) the transformer's own
    vector: NDArray[np.float32] | None  # (d,)
    fallback: str | None

    def first(self, rows: int) -> Considered:
        """The first so many candidates alone."""
        return Considered(self.pool.first(rows), self.scores[:rows], self.logits[:rows], self.vector, self.fallback)


class Ranker:
    """One bundle, ready to answer. It never changes after construction, so threads may share it."""

    def __init__(
        self,
        table: Table,
        sources: Mapping[str, Source],
        counts: Counts,
        model: Model | None,
        options: Options,
        version: str,
        counts_version: str,
        newcomers: Newcomers | None = None,
    ) -> None:
        """With `newcomers`, they are what lies in the table behind the items that the sources know."""
        self.version: Final = version
        self.counts_version: Final = counts_version
        self.table: Final = table
        self.sources: Final = sources
        self.counts: Final = counts
        self.model: Final = model
        self.options: Final = options
        self.newcomers: Final = newcomers
        known = None if newcomers is None else newcomers.first
        quotas = [
            Quota(source, options.quotas[name], None if name in BOUNDLESS else known)
            for name, source in sources.items()
        ]
        beside = [] if newcomers is None else [newcomers]
        self.quotas: Final = (*quotas, *(Quota(each, each.quota) for each in beside))
        names = (*sources, *(each.name for each in beside))
        #: The last is for what whoever asks brought alone.
        self._names: Final = (*names, ASKED)
        self._alike: Final = np.array([name in ALIKE for name in names], dtype=np.bool_)
        # Popular items are reasons again and again, and the words for one take longer than all else of its item.
        self._reason: Final = lru_cache(_REMEMBERED)(partial(_reason, table, options.relation))
        weights = [*(options.weights[name] for name in sources), *(each.weight for each in beside)]
        self._weights: Final = np.array(weights, dtype=np.float64)

    @classmethod
    def empty(cls) -> Self:
        """Knows nothing: for whoever has to answer before there is any bundle."""
        nothing = np.zeros(0, dtype=np.float32)
        options = Options(drop_last_item=False, relation="viewed", quotas={}, weights={})
        return cls(Table.make(()), {}, Counts(nothing, nothing, 0), None, options, "", "")

    def title(self, item_id: str) -> str:
        """What a person calls the item; its id where the bundle has no title for it."""
        [index] = self.table.find([item_id])
        return item_id if index < 0 else self.table.title(index)

    def category(self, item_id: str) -> tuple[str, ...]:
        """Where the item stands in the shop's tree; empty where the bundle does not know."""
        [index] = self.table.find([item_id])
        code = -1 if index < 0 else int(self.table.categories[index])
        return () if code < 0 else self.table.category(code)

    def rank(
        self,
        sessions: Sequence[Session],
        now: int,
        hidden: NDArray[np.bool_] = NOTHING,
        vectors: Sequence[bytes | None] | None = None,
    ) -> list[Ranked]:
        """One answer a session, in their order, without the items of the table that are `hidden`.

        `vectors` are those that an earlier answer for the same session version and model gave: they are used as
        they are. `now` is the only clock.
        """
        if not len(self.table):
            return [Ranked((), 0, EMPTY_CATALOGUE) for _ in sessions]
        queries = self._queries([session.recent for session in sessions], now)
        considered = self.consider(queries, hidden, vectors)
        return [self.ranked(*each) for each in zip(sessions, queries, considered, strict=True)]

    def query(self, actions: Sequence[Action], now: int) -> Query:
        [query] = self._queries([actions], now)
        return query

    def _queries(self, sessions: Sequence[Sequence[Action]], now: int) -> list[Query]:
        actions = [action for session in sessions for action in session]
        found = self.table.find([action.item_id for action in actions])
        types = np.array([_CODES[action.type] for action in actions], dtype=np.uint8)
        times = np.array([action.ts for action in actions], dtype=np.int64)
        known = found >= 0
        ends = [0, *accumulate(map(len, sessions))]
        if not known.all():
            ends = np.concatenate(([0], np.cumsum(known)))[ends].tolist()
            found, types, times = found[known], types[known], times[known]
        return [Query(found[at:to], types[at:to], times[at:to], now) for at, to in pairwise(ends)]

    def consider(
        self,
        queries: Sequence[Query],
        hidden: NDArray[np.bool_] = NOTHING,
        vectors: Sequence[bytes | None] | None = None,
    ) -> list[Considered]:
        """What every list is made from: pools, and the score of each candidate."""
        if not queries:
            return []
        pools = gather_all(self.quotas, queries, [self.barred(query) for query in queries], hidden)
        if self.model is None:
            return [self._unlearned(pool) for pool in pools]
        encoded = self.model.encode(queries) if vectors is None else self._recalled(self.model, queries, vectors)
        heard = pools if self.newcomers is None else [pool.told_by(len(self.sources)) for pool in pools]
        columns = [features(pool, query, self.counts, self.table) for pool, query in zip(heard, queries, strict=True)]
        scores = self.model.score(encoded, [pool.ids for pool in pools], columns)
        return [
            self._considered(pool, scores.fusion[at, : len(pool)], scores.logits[at, : len(pool)], encoded[at])
            for at, pool in enumerate(pools)
        ]

    def weigh(
        self, query: Query, asked: NDArray[np.int32], hidden: NDArray[np.bool_] = NOTHING, vector: bytes | None = None
    ) -> Considered:
        """The same of given items of the table, each named once: they score as they would in the session's pool."""
        pool = asked_for(self.quotas, query, asked, self.barred(query), hidden)
        if self.model is None:
            return self._unlearned(pool).first(len(asked))
        encoded = self._recalled(self.model, [query], [vector])
        heard = pool if self.newcomers is None else pool.told_by(len(self.sources))
        scores = self.model.score(encoded, [pool.ids], [features(heard, query, self.counts, self.table)])
        return self._considered(pool, scores.fusion[0], scores.logits[0], encoded[0]).first(len(asked))

    def barred(self, query: Query) -> NDArray[np.int32]:
        """What is no candidate for this session: what is not there yet, or was touched just now."""
        last = query.items[-1:] if self.options.drop_last_item else query.items[:0]
        return np.concatenate((self.table.created_after(query.now), last))

    def undated(self) -> Self:
        """The same for sessions whose times are made up: whatever is in its table is a candidate."""
        table, rest = self.table.undated(), (self.sources, self.counts, self.model, self.options)
        return type(self)(table, *rest, self.version, self.counts_version)

    def recounted(self, past: Past) -> Self:
        """The same model over counts of this past."""
        chosen = self.options.parameters
        sources = {
            name: type(source).fit(past, **chosen.get(name, {})) if source.counted else source
            for name, source in self.sources.items()
        }
        counts, model, options = Counts.fit(past.sessions), self.model, self.options
        return type(self)(self.table, sources, counts, model, options, self.version, self.counts_version)

    def _recalled(self, model: Model, queries: Sequence[Query], vectors: Sequence[bytes | None]) -> NDArray[np.float32]:
        """The vectors that are there; the others encoded anew."""
        missing = [at for at, vector in enumerate(vectors) if vector is None or len(vector) != 2 * model.width]
        encoded = np.empty((len(queries), model.width), dtype=np.float32)
        encoded[missing] = model.encode([queries[at] for at in missing])
        for at, vector in enumerate(vectors):
            if vector is not None and at not in missing:
                encoded[at] = np.frombuffer(vector, dtype=np.float16)
        return encoded

    def _unlearned(self, pool: Pool) -> Considered:
        logits = np.zeros(len(pool), dtype=np.float32)
        return Considered(pool, self._reciprocal(pool), logits, None, RECIPROCAL)

    def _considered(
        self, pool: Pool, fusion: NDArray[np.float32], logits: NDArray[np.float32], vector: NDArray[np.float32]
    ) -> Considered:
        if not np.isfinite(fusion).all():
            return Considered(pool, self._reciprocal(pool), logits, None, NOT_FINITE)
        if self.options.order != LEARNED:
            return Considered(pool, self._reciprocal(pool, logits), logits, vector, RECIPROCAL)
        return Considered(pool, fusion.astype(np.float64), logits, vector, None)

    def _reciprocal(self, pool: Pool, logits: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = self._shares(pool).sum(axis=1)
        if logits is not None:
            ranks = 1 + np.searchsorted(np.sort(-logits), -logits)
            scores = scores + self.options.transformer_weight / (_FUSION + ranks)
        return scores

    def _shares(self, pool: Pool) -> NDArray[np.float64]:
        """(n, sources) what each source adds to a candidate's reciprocal-rank score."""
        shares: NDArray[np.float64] = np.where(pool.ranks > 0, self._weights / (_FUSION + pool.ranks), 0.0)
        return shares

    def ranked(self, session: Session, query: Query, considered: Considered) -> Ranked:
        fallback = considered.fallback
        if not len(query):
            fallback = UNKNOWN_ITEMS if session.recent else EMPTY_SESSION
        vector = considered.vector if len(query) else None
        stored = None if vector is None else vector.astype(np.float16).tobytes()
        return Ranked(self.listed(considered), len(considered.pool), fallback, stored)

    def listed(self, considered: Considered, at_most: int = STORED) -> tuple[Item, ...]:
        """The best candidates in order, each with its reason."""
        pool = considered.pool
        order = self.table.order(pool.ids)
        best, sources, about = _listed(
            considered.scores, order, pool.ids, pool.ranks, pool.because,
            self._weights, self._alike, self.table.categories, at_most,
        )  # fmt: skip
        return tuple(
            map(
                Item,
                self.table.named(pool.ids[best].tolist()),
                range(1, at_most + 1),
                considered.scores[best].tolist(),
                map(self._names.__getitem__, sources.tolist()),
                map(self._reason, about.tolist()),
            )
        )


def _reason(table: Table, relation: Relation, about: int) -> Reason:
    kind, subject = divmod(about, _KIND)
    if kind == _ASKED:
        return reasons.ASKED
    if kind == _SEEN:
        return reasons.SEEN_IN_SESSION
    if kind == _POPULAR:
        return reasons.POPULAR
    if kind == _POPULAR_IN:
        return reasons.popular_in(table.category(subject))
    item_id, title = table.id(subject), table.title(subject)
    if kind == _LIKE:
        return reasons.alike(item_id, title)
    return reasons.together(relation, item_id, title)


@compiled
def _listed(
    scores: NDArray[np.float64],
    order: NDArray[np.int32],
    ids: NDArray[np.int32],
    ranks: NDArray[np.float32],
    because: NDArray[np.int32],
    weights: NDArray[np.float64],
    alike: NDArray[np.bool_],
    categories: NDArray[np.int32],
    at_most: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The rows of the best, in order; the source that speaks loudest for each, and its _KIND x kind + subject."""
    rows = _best(scores, order, at_most)
    sources = np.full(len(rows), len(weights), np.int64)
    about = np.empty(len(rows), np.int64)
    for at in range(len(rows)):
        row = rows[at]
        most = -1.0
        for source in range(len(weights)):
            if ranks[row, source] > 0 and weights[source] / (_FUSION + ranks[row, source]) > most:
                most = weights[source] / (_FUSION + ranks[row, source])
                sources[at] = source
        if sources[at] == len(weights):
            about[at] = _KIND * _ASKED
            continue
        cause, category = because[row, sources[at]], categories[ids[row]]
        if cause == ids[row]:
            about[at] = _KIND * _SEEN
        elif cause != NOBODY:
            about[at] = _KIND * (_LIKE if alike[sources[at]] else _TOGETHER) + cause
        elif category >= 0:
            about[at] = _KIND * _POPULAR_IN + category
        else:
            about[at] = _KIND * _POPULAR
    return rows, sources, about


@compiled
def _best(scores: NDArray[np.float64], order: NDArray[np.int32], at_most: int) -> NDArray[np.int64]:
    """The rows of the highest scores, best first; equal ones in their order."""
    rows = np.empty(at_most, np.int64)
    count = 0
    for row in range(len(scores)):
        to = count
        while to > 0 and (
            scores[row] > scores[rows[to - 1]]
            or (scores[row] == scores[rows[to - 1]] and order[row] < order[rows[to - 1]])
        ):
            to -= 1
        if to < at_most:
            count = min(count + 1, at_most)
            for at in range(count - 1, to, -1):
                rows[at] = rows[at - 1]
            rows[to] = row
    return rows[:count]
