"""A bundle of a shop that never was, as large as one likes: how fast it ranks is the real thing, what it ranks is not.

Items are as popular as Zipf's law has it. Every list of neighbours is full, also of an item that hardly anybody
touched, and names items from anywhere: nothing that a session needs lies close together. The graphs are those that
training exports, their weights at random.
"""

from __future__ import annotations

from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.bundle import MANIFEST, UNSEALED, Data, File, Manifest, encode, sealed
from schemas.errors import UsageError
from schemas.item import Item
from schemas.session import Action
from serving.ranking import bundle, golden
from serving.ranking.bundle import Network
from serving.ranking.counts import Counts
from serving.ranking.features import names
from serving.ranking.options import LEARNED, Options
from serving.ranking.past import Past
from serving.ranking.ranker import Ranker
from serving.ranking.recent import EVENTS_MAX
from serving.ranking.scorer import Scorer
from serving.ranking.sessions import DEEDS, Sessions
from serving.ranking.sources import ALL, covisitation, item2vec, transformer
from serving.ranking.sources.source import Source
from serving.ranking.table import Table

#: Sources that know an item by its neighbours: how many those are, and what each of a session's items counts.
_LISTS: Final[dict[type[Source], tuple[int, tuple[float, ...]]]] = {
    covisitation.Covisitation: (covisitation.NEIGHBOURS, covisitation.RECENCY),
    item2vec.Item2Vec: (item2vec.NEIGHBOURS, item2vec.RECENCY),
    transformer.Transformer: (transformer.NEIGHBOURS, transformer.RECENCY),
}
#: What a shop of the size of yoochoose sees in a week or two; a large one sees all that a bundle keeps.
_EVENTS_AN_ITEM: Final = 30
_SESSION_MEAN: Final = 8
_BEGUN_MS: Final = 1_700_000_000_000
_SPAN_MS: Final = 14 * 24 * 3_600_000
_CATEGORIES: Final = 100
_BRANDS: Final = 300


def publish(out: Path, items: int, seed: int = 0) -> Manifest:
    """The bundle in `out`, which must not exist yet."""
    chance = np.random.default_rng(seed)
    network = _network(items, chance)
    past = Past(_sessions(items, chance), _table(items, chance))
    out.mkdir()
    described: dict[str, File] = {}
    for files in _packed(past, network, chance):
        described |= bundle.describe(files)
        for name, data in files.items():
            (out / name).write_bytes(data)
    mapped = {name: _mapped(out / name) for name in described}
    manifest = _manifest(described, past, bundle.unpack(mapped, described).ranker)
    (out / MANIFEST).write_bytes(encode(manifest))
    return manifest


def _mapped(path: Path) -> memoryview:
    with path.open("rb") as file:
        return memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))


def _packed(past: Past, network: Network, chance: np.random.Generator) -> Iterator[dict[str, bytes]]:
    """Its files part by part, for the lists of one source alone are half a GB in a shop of a million items."""
    fitted = {kind.name: kind.fit(past) for kind in ALL if kind not in _LISTS}
    ranker = Ranker(past.table, fitted, Counts.fit(past.sessions), None, _options(), "", "")
    yield bundle.pack(ranker, past.sessions, network)
    for kind, (most, recency) in _LISTS.items():
        lists = _lists(past.sessions.catalogue, most, chance)
        yield bundle.pack_arrays(kind.name, {**lists, "recency": np.array(recency, dtype=np.float32)})


def _sessions(items: int, chance: np.random.Generator) -> Sessions:
    events = min(EVENTS_MAX, _EVENTS_AN_ITEM * items)
    lengths = 1 + chance.geometric(1 / (_SESSION_MEAN - 1), max(1, events // _SESSION_MEAN))
    starts = np.concatenate(([0], np.cumsum(lengths)))
    count = int(starts[-1])
    # The rank of an item grows as the exponential of an even number: that is Zipf's law with the power 1.
    ranks = np.exp(chance.random(count) * np.log(items + 1)).astype(np.int32) - 1
    touched = chance.permutation(items).astype(np.int32)[np.minimum(ranks, items - 1)]
    times = _BEGUN_MS + np.arange(count) * _SPAN_MS // count
    return Sessions(touched, np.zeros(count, dtype=np.uint8), times, starts, items)


def _table(items: int, chance: np.random.Generator) -> Table:
    columns = (chance.integers(_CATEGORIES, size=items), chance.integers(_BRANDS, size=items), chance.random(items))
    return Table.make(
        (),
        {
            f"{number:09}": Item(
                item_id=f"{number:09}",
                title=f"Thing {number} of many",
                category=("Things", f"Things {category}"),
                brand=f"Maker {brand}",
                price=f"{100 * price:.2f}",
            )
            for number, (category, brand, price) in enumerate(zip(*(each.tolist() for each in columns), strict=True))
        },
    )


def _lists(items: int, most: int, chance: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    """Of every item `most` different ones, evenly spread from a random one on."""
    most = min(most, items)
    begins, strides = chance.integers(items, size=items), chance.integers(1, items // most + 1, size=items)
    ids = np.empty((items, most), dtype=np.uint16 if items <= np.iinfo(np.uint16).max else np.int32)
    for place in range(most):
        ids[:, place] = (begins + strides * place) % items
    scores = np.broadcast_to((1 / np.arange(1, most + 1)).astype(np.float16), ids.shape)
    starts = np.arange(items + 1, dtype=np.int64) * most
    return {"starts": starts, "ids": ids.ravel(), "scores": scores.ravel()}


def _network(items: int, chance: np.random.Generator) -> Network:
    try:
        from training import export
    except ImportError:
        raise UsageError(
            "making a bundle up takes torch; name a BUNDLE, or install it: `pip install '.[train]'`"
        ) from None
    sources = [kind.name for kind in ALL]
    learner, correction = export.untaught(len(names(sources)), seed=0)
    _, alone = export.untaught(len(names([name for name in sources if name != transformer.Transformer.name])), seed=0)
    encode, score = export.encode_graph(learner), export.score_graph(learner, correction)
    vectors = chance.standard_normal((items, learner.shape.width), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    halves = vectors.astype(np.float16)
    return Network(
        encode=encode,
        score=score,
        blind=export.blind_graph(alone),
        items=halves,
        words=export.word_vectors(learner),
        golden=export.golden_tensors(Scorer(encode, score, halves), len(correction.mean)),
    )


def _options() -> Options:
    return Options(
        order=LEARNED,
        drop_last_item=True,
        relation="viewed",
        quotas={kind.name: kind.quota for kind in ALL},
        weights={kind.name: kind.weight for kind in ALL},
    )


def _manifest(described: dict[str, File], past: Past, ranker: Ranker) -> Manifest:
    ended = _BEGUN_MS + _SPAN_MS
    length = int(past.sessions.starts[1])
    items, times = past.sessions.items[:length].tolist(), past.sessions.times[:length].tolist()
    session = [Action(past.table.id(item), DEEDS[0], ts) for item, ts in zip(items, times, strict=True)]
    return sealed(
        Manifest(
            version=ranker.version,
            counts_version=ranker.counts_version,
            created_at=ended,
            command=f"nextclick bench rank --items {len(past.table)}",
            seed=0,
            versions={},
            parameters={},
            data=Data(
                events=len(past.sessions.items),
                sessions=len(past.sessions),
                items=len(past.table),
                first_ts=_BEGUN_MS,
                last_ts=ended,
                log_sha256=UNSEALED,
            ),
            files=described,
            golden=golden.answers(ranker, [session], ended),
            sha256=UNSEALED,
        )
    )
