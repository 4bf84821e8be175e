"""The model as production runs it: two ONNX graphs over item vectors that lie in a mapped file.

    encode   the vectors of a session's items, their types, the gaps between them -> the session vector
    score    session vector, vectors and features of the candidates -> scores, and the transformer's own logits

A session alone costs what its length is; of several, each is padded to the next of a few lengths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final, Protocol, Self, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from schemas.errors import BundleError
from serving.ranking import enclosed
from serving.ranking.arrays import Buffer
from serving.ranking.compiled import compiled
from serving.ranking.query import Query
from serving.ranking.sessions import DEEDS
from serving.ranking.vectors import Rows, Vectors

LENGTHS: Final = (1, 2, 4, 8, 16, 32, 50)
#: Of longer sessions the last items count.
LENGTH_MAX: Final = LENGTHS[-1]

#: The entry points, and what each gives.
OUTPUTS: Final[Mapping[str, tuple[str, ...]]] = {"encode": ("session",), "score": ("scores", "logits")}
#: Sessions and candidates of a trial: the least there is, and the most that is scored at once.
_TRIED: Final = ((1, 1), (8, 200))

#: Of onnxruntime's own log lines; what they warn of comes as an error too.
_FATAL: Final = 4

#: More pools at once no longer fit a processor's cache, and cost a quarter more each.
_SCORED_AT_ONCE: Final = 8

Tensors = Mapping[str, NDArray[Any]]


class Graph:
    """A graph ready to run. BundleError when there is none in `data`, or when it fails."""

    def __init__(self, name: str, data: Buffer) -> None:
        self._file: Final = f"{name}.onnx"
        options = onnxruntime.SessionOptions()
        # One thread a graph: requests run beside each other, and none waits for another's helpers.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL
        # onnxruntime knows another form, which nothing here has looked into.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        try:
            enclosed.check(bytes(data))
            self._session: Final = onnxruntime.InferenceSession(bytes(data), options, ["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - onnxruntime has a class of its own for every cause, and no root
            raise BundleError("file", f"{self._file} cannot be run: {error}") from None

    def run(self, inputs: Tensors) -> list[NDArray[Any]]:
        try:
            return cast("list[NDArray[Any]]", self._session.run(None, inputs))
        except Exception as error:  # noqa: BLE001 - as above
            raise BundleError("graph", f"{self._file} does not take what it is given: {error}") from None

    def try_out(self, inputs: Tensors, *shapes: tuple[int, ...]) -> None:
        """BundleError unless it makes numbers of these shapes of them."""
        made = self.run(inputs)
        if [each.shape for each in made] != list(shapes) or any(each.dtype != np.float32 for each in made):
            told = " and ".join(f"{each.shape} of {each.dtype}" for each in made)
            raise BundleError("graph", f"{self._file} gives {told} where {' and '.join(map(str, shapes))} are wanted")
        if not all(np.isfinite(each).all() for each in made):
            raise BundleError("graph", f"{self._file} gives a value that is not a finite number")


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

    def __init__(
        self, encode: Buffer, score: Buffer, vectors: NDArray[np.float16], words: NDArray[np.float16] | None = None
    ) -> None:
        self.vectors: Final = vectors  # (items, d) of length 1
        #: (words, d) that tell items which came later; none without a catalogue.
        self.words: Final = vectors[:0] if words is None else words
        #: What vectors are gathered from.
        self.rows: Rows = vectors
        self._encode: Final = Graph("encode", encode)
        self._score: Final = Graph("score", score)

    @property
    def width(self) -> int:
        return int(self.vectors.shape[1])

    def grown(self, late: NDArray[np.float16]) -> Self:
        """The same, which knows these vectors too, behind all others."""
        made = copy(self)
        made.rows = Vectors(self.vectors, late)
        return made

    def encode(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        if len(queries) == 1 and len(queries[0]):
            [alone] = self._encode.run(encoder_inputs(queries, min(len(queries[0]), LENGTH_MAX), self.rows))
            return alone
        found = np.zeros((len(queries), self.width), dtype=np.float32)
        buckets: dict[int, list[int]] = {}
        for at, query in enumerate(queries):
            if len(query):
                buckets.setdefault(bucket(len(query)), []).append(at)
        for rows in buckets.values():
            # What is padded is masked, so the longest of them is as good a length as the bucket's, and cheaper.
            some = [queries[row] for row in rows]
            inputs = encoder_inputs(some, min(max(map(len, some)), LENGTH_MAX), self.rows)
            [found[rows]] = self._encode.run(inputs)
        return found

    def score(
        self, sessions: NDArray[np.float32], ids: Sequence[NDArray[np.int32]], features: Sequence[NDArray[np.float32]]
    ) -> Scores:
        shape = len(ids), max(map(len, ids), default=0)
        fusion, logits = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        for at in range(0, len(ids), _SCORED_AT_ONCE):
            part = slice(at, at + _SCORED_AT_ONCE)
            inputs = scorer_inputs(sessions[part], ids[part], features[part], self.rows)
            wide = inputs["candidates"].shape[1]
            fusion[part, :wide], logits[part, :wide] = self._score.run(inputs)
        return Scores(fusion, logits)

    def run(self, entry: str, inputs: Tensors) -> Tensors:
        """An entry point on given tensors. BundleError when it does not take them."""
        found = {"encode": self._encode, "score": self._score}[entry].run(inputs)
        if len(found) != len(OUTPUTS[entry]):
            raise BundleError("graph", f"{entry}.onnx gives {len(found)} tensors instead of {len(OUTPUTS[entry])}")
        return dict(zip(OUTPUTS[entry], found, strict=True))

    def try_out(self, features: int) -> None:
        """BundleError unless both graphs take what production gives them, and give what it needs."""
        for sessions, candidates in _TRIED:
            length = min(candidates, LENGTH_MAX)
            told: Tensors = {
                "vectors": _directions(sessions, length, self.width),
                "types": np.arange(sessions * length).reshape(sessions, length) % len(DEEDS),
                "gaps": np.zeros((sessions, length), dtype=np.float32),
                "lengths": np.full(sessions, length),
            }
            self._encode.try_out(told, (sessions, self.width))
            asked: Tensors = {
                "session": _directions(sessions, 1, self.width)[:, 0].astype(np.float32),
                "candidates": _directions(sessions, candidates, self.width),
                **_pools(sessions, candidates, features),
            }
            self._score.try_out(asked, (sessions, candidates), (sessions, candidates))


class Blind:
    """A correction that was learned without any transformer: what that one is worth is seen beside it."""

    width: Final = 0
    vectors: Final = np.zeros((0, 0), dtype=np.float16)

    def __init__(self, score: Buffer) -> None:
        self._score: Final = Graph("blind", score)

    def encode(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        return np.zeros((len(queries), 0), dtype=np.float32)

    def score(
        self, sessions: NDArray[np.float32], ids: Sequence[NDArray[np.int32]], features: Sequence[NDArray[np.float32]]
    ) -> Scores:
        if not ids:
            return Scores(np.zeros((0, 0), dtype=np.float32), np.zeros((0, 0), dtype=np.float32))
        columns, sizes = padded(features)
        [fusion] = self._score.run({"features": columns, "sizes": sizes})
        return Scores(fusion, np.zeros_like(fusion))

    def try_out(self, features: int) -> None:
        """BundleError unless the graph takes what evaluation gives it, and gives what it needs."""
        for pools in _TRIED:
            self._score.try_out(_pools(*pools, features), pools)


def _directions(sessions: int, items: int, width: int) -> NDArray[np.float16]:
    return np.full((sessions, items, width), width**-0.5, dtype=np.float16)


def _pools(sessions: int, candidates: int, features: int) -> Tensors:
    columns = np.full((sessions, candidates, features), 0.5, dtype=np.float32)
    return {"features": columns, "sizes": np.full(sessions, candidates)}


def bucket(length: int) -> int:
    return next((each for each in LENGTHS if length <= each), LENGTH_MAX)


def encoder_inputs(queries: Sequence[Query], length: int, vectors: Rows) -> Tensors:
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
    vectors: Rows,
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
