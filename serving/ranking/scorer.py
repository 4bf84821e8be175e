"""The model as production runs it: two ONNX graphs over item vectors that lie in a mapped file.

    encode   the vectors of a session's items, their types, the gaps between them -> the session vector
    score    session vector, vectors and features of the candidates -> scores, and the transformer's own logits

A session alone costs what its length is; of several, each is padded to the next of a few lengths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from schemas.errors import BundleError
from serving.ranking.arrays import Buffer
from serving.ranking.compiled import compiled
from serving.ranking.query import Query

LENGTHS: Final = (1, 2, 4, 8, 16, 32, 50)
#: Of longer sessions the last items count.
LENGTH_MAX: Final = LENGTHS[-1]

#: More pools at once no longer fit a processor's cache, and cost a quarter more each.
_SCORED_AT_ONCE: Final = 8

Tensors = Mapping[str, NDArray[Any]]


class Graph(Protocol):
    """Of onnxruntime's session, what is used here."""

    def run(self, outputs: None, inputs: Tensors) -> list[NDArray[Any]]: ...


@dataclass(frozen=True, slots=True)
class Scores:
    fusion: NDArray[np.float32]  # (b, n) what candidates are ordered by
    logits: NDArray[np.float32]  # (b, n) temperature x <session vector, item vector>


class Model(Protocol):
    """What turns pools into scores."""

    @property
    def width(self) -> int:
        """Of a session vector."""

    @property
    def vectors(self) -> NDArray[np.float16]:
        """(items, width)"""

    def encode(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """(queries, width); zeros for a session without known items."""

    def score(
        self, sessions: NDArray[np.float32], ids: Sequence[NDArray[np.int32]], features: Sequence[NDArray[np.float32]]
    ) -> Scores:
        """Of every session the scores of its candidates, padded to the most that one of them has."""


class Scorer:
    """The transformer and its correction. Threads may share it: nothing changes after construction."""

    def __init__(self, encode: Buffer, score: Buffer, vectors: NDArray[np.float16]) -> None:
        self.vectors: Final = vectors  # (items, d) of length 1
        self._encode: Final = graph("encode", encode)
        self._score: Final = graph("score", score)

    @property
    def width(self) -> int:
        return int(self.vectors.shape[1])

    def encode(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        if len(queries) == 1 and len(queries[0]):
            [alone] = self._encode.run(None, encoder_inputs(queries, min(len(queries[0]), LENGTH_MAX), self.vectors))
            return alone
        found = np.zeros((len(queries), self.width), dtype=np.float32)
        buckets: dict[int, list[int]] = {}
        for at, query in enumerate(queries):
            if len(query):
                buckets.setdefault(bucket(len(query)), []).append(at)
        for rows in buckets.values():
            # What is padded is masked, so the longest of them is as good a length as the bucket's, and cheaper.
            some = [queries[row] for row in rows]
            inputs = encoder_inputs(some, min(max(map(len, some)), LENGTH_MAX), self.vectors)
            [found[rows]] = self._encode.run(None, inputs)
        return found

    def score(
        self, sessions: NDArray[np.float32], ids: Sequence[NDArray[np.int32]], features: Sequence[NDArray[np.float32]]
    ) -> Scores:
        shape = len(ids), max(map(len, ids), default=0)
        fusion, logits = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        for at in range(0, len(ids), _SCORED_AT_ONCE):
            part = slice(at, at + _SCORED_AT_ONCE)
            inputs = scorer_inputs(sessions[part], ids[part], features[part], self.vectors)
            wide = inputs["candidates"].shape[1]
            fusion[part, :wide], logits[part, :wide] = self._score.run(None, inputs)
        return Scores(fusion, logits)

    def run(self, entry: str, inputs: Tensors) -> Tensors:
        """An entry point on given tensors. BundleError when it does not take them."""
        wired, outputs = {"encode": (self._encode, ("session",)), "score": (self._score, ("scores", "logits"))}[entry]
        try:
            return dict(zip(outputs, wired.run(None, inputs), strict=True))
        except Exception as error:  # noqa: BLE001 - as in `graph`
            raise BundleError("golden", f"{entry}.onnx does not take its golden inputs: {error}") from None


class Blind:
    """A correction that was learned without any transformer: what that one is worth is seen beside it."""

    width: Final = 0
    vectors: Final = np.zeros((0, 0), dtype=np.float16)

    def __init__(self, score: Buffer) -> None:
        self._score: Final = graph("blind", score)

    def encode(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        return np.zeros((len(queries), 0), dtype=np.float32)

    def score(
        self, sessions: NDArray[np.float32], ids: Sequence[NDArray[np.int32]], features: Sequence[NDArray[np.float32]]
    ) -> Scores:
        if not ids:
            return Scores(np.zeros((0, 0), dtype=np.float32), np.zeros((0, 0), dtype=np.float32))
        columns, sizes = padded(features)
        [fusion] = self._score.run(None, {"features": columns, "sizes": sizes})
        return Scores(fusion, np.zeros_like(fusion))


def graph(name: str, data: Buffer) -> Graph:
    """A graph ready to run. BundleError when it is none."""
    options = onnxruntime.SessionOptions()
    # One thread a graph: requests run beside each other, and none waits for another's helpers.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session: Graph = onnxruntime.InferenceSession(bytes(data), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime has a class of its own for every cause, and no root
        raise BundleError("file", f"{name}.onnx cannot be run: {error}") from None
    return session


def bucket(length: int) -> int:
    return next((each for each in LENGTHS if length <= each), LENGTH_MAX)


def encoder_inputs(queries: Sequence[Query], length: int, vectors: NDArray[np.float16]) -> Tensors:
    """Sessions of at least one item, their last `length` of them at the end of each row."""
    ends = np.array([0, *accumulate(map(len, queries))], dtype=np.int64)
    items = np.concatenate([query.items for query in queries])
    types = np.concatenate([query.types for query in queries])
    times = np.concatenate([query.times for query in queries])
    rows, deeds, gaps, lengths = _in_rows(items, types, times, ends, length)
    return {"vectors": vectors.take(rows, axis=0), "types": deeds, "gaps": gaps, "lengths": lengths}


@compiled
def _in_rows(
    items: NDArray[np.int32],
    types: NDArray[np.uint8],
    times: NDArray[np.int64],
    ends: NDArray[np.int64],
    length: int,
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    count = len(ends) - 1
    rows = np.zeros((count, length), np.int32)
    deeds = np.zeros((count, length), np.int64)
    gaps = np.zeros((count, length), np.float32)
    lengths = np.empty(count, np.int64)
    for row in range(count):
        lengths[row] = min(ends[row + 1] - ends[row], length)
        first = ends[row + 1] - lengths[row]
        for event in range(first, ends[row + 1]):
            place = length - (ends[row + 1] - event)
            rows[row, place] = items[event]
            deeds[row, place] = types[event]
            if event > first:
                gaps[row, place] = (times[event] - times[event - 1]) / 1000  # seconds
    return rows, deeds, gaps, lengths


def scorer_inputs(
    sessions: NDArray[np.float32],
    ids: Sequence[NDArray[np.int32]],
    features: Sequence[NDArray[np.float32]],
    vectors: NDArray[np.float16],
) -> Tensors:
    columns, sizes = padded(features)
    rows = ids[0][None]
    if len(ids) > 1:
        rows = np.zeros(columns.shape[:2], dtype=np.int32)
        for at, each in enumerate(ids):
            rows[at, : len(each)] = each
    return {"session": sessions, "candidates": vectors.take(rows, axis=0), "features": columns, "sizes": sizes}


def padded(features: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Pools side by side, and how many candidates each has."""
    sizes = np.array([len(each) for each in features], dtype=np.int64)
    if len(features) == 1:
        return features[0][None], sizes
    columns = np.zeros((len(features), int(sizes.max()), features[0].shape[1]), dtype=np.float32)
    for at, each in enumerate(features):
        columns[at, : len(each)] = each
    return columns, sizes
