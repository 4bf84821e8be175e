"""A bundle's files as bytes: what training packs is what production unpacks, so that neither can drift.

    manifest.json               schemas/bundle.py
    items.<array>.npy           the item table
    ranker.json                 the options training chose
    <source>.<array>.npy        the arrays of the sources
    counts.<array>.npy          how often each item is touched
    snapshot.<array>.npy        the sessions that all these were counted from, to be counted on from
    encode.onnx, score.onnx     the transformer and its correction; with them vectors.<array>.npy
    golden.<entry>.<side>.npy   tensors that the graphs must answer as they did
    blind.onnx                  a correction without the transformer, to tell what that is worth

and beside them documents, which people read and no ranker does. No path and no hash is looked at here:
serving/state/bundles.py has verified the bytes by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from inspect import signature
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.bundle import File
from schemas.errors import BundleError
from serving.ranking import arrays
from serving.ranking.arrays import Buffer
from serving.ranking.counts import Counts
from serving.ranking.features import names
from serving.ranking.golden import GoldenTensors
from serving.ranking.options import LEARNED, Options
from serving.ranking.ranker import Ranker
from serving.ranking.scorer import OUTPUTS, Blind, Scorer
from serving.ranking.sessions import Sessions
from serving.ranking.sources import ALL
from serving.ranking.sources.source import Source
from serving.ranking.sources.transformer import Transformer
from serving.ranking.table import Table

ITEMS: Final = "items"
RANKER: Final = "ranker.json"
COUNTS: Final = "counts"
SNAPSHOT: Final = "snapshot"
VECTORS: Final = "vectors"
GOLDEN: Final = "golden"
ENCODE: Final = "encode.onnx"
SCORE: Final = "score.onnx"
BLIND: Final = "blind.onnx"
_ARRAY: Final = ".npy"
#: In no direction a golden tensor is longer: what a graph makes of one must fit into memory.
_GOLDEN_MAX: Final = 128

Arrays = Mapping[str, NDArray[Any]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Network:
    """What was learned: the graphs, and the vectors that they work over."""

    encode: bytes
    score: bytes
    blind: bytes
    items: NDArray[np.float16]  # (items, d)
    #: (words, d) that catalogue entries are told by; none without a catalogue.
    words: NDArray[np.float16]
    golden: GoldenTensors


@dataclass(frozen=True, slots=True)
class Bundle:
    ranker: Ranker
    snapshot: Sessions
    blind: Blind | None
    golden: GoldenTensors | None

    def check_graphs(self) -> None:
        """BundleError unless every graph takes what it will be given, and answers as when the bundle was made."""
        sources = tuple(self.ranker.sources)
        if isinstance(self.ranker.model, Scorer):
            self.ranker.model.try_out(len(names(sources)))
            if self.golden is not None:
                self.golden.check(self.ranker.model.run)
        if self.blind is not None:
            self.blind.try_out(len(names([name for name in sources if name != Transformer.name])))


def pack(ranker: Ranker, snapshot: Sessions, network: Network | None) -> dict[str, bytes]:
    """Every file but the manifest and the documents."""
    files = {
        RANKER: ranker.options.encode(),
        **pack_arrays(ITEMS, ranker.table.arrays()),
        **pack_arrays(COUNTS, ranker.counts.arrays()),
        **pack_arrays(SNAPSHOT, snapshot.arrays()),
    }
    for name, source in ranker.sources.items():
        files |= pack_arrays(name, source.arrays())
    if network is not None:
        files |= {ENCODE: network.encode, SCORE: network.score, BLIND: network.blind}
        files |= pack_arrays(VECTORS, {"items": network.items, "words": network.words})
        files |= pack_arrays(GOLDEN, network.golden.arrays())
    return files


def pack_arrays(owner: str, values: Arrays) -> dict[str, bytes]:
    return {f"{owner}.{name}{_ARRAY}": arrays.encode(array) for name, array in values.items()}


def unpack(files: Mapping[str, Buffer], described: Mapping[str, File] | None = None) -> Bundle:
    """What is in a bundle's files, which it goes on using. BundleError names the file that is not what it should be.

    Whoever has verified the files gives what they are `described` as, so that a great one is hashed once. A file
    that is left over when everybody has taken theirs is unknown, and refused; documents are not given here.
    """
    shelf = Shelf(files)
    table = shelf.made(ITEMS, Table.read, Table.arrays)
    options = shelf.read(RANKER, Options.decode)
    counts = shelf.made(COUNTS, lambda found: Counts.read(found, len(table)), Counts.arrays)
    snapshot = shelf.made(SNAPSHOT, lambda found: Sessions.read(found, len(table)), Sessions.arrays)
    sources = {kind.name: _source(shelf, kind, len(table)) for kind in ALL}
    scorer, blind, golden = _network(shelf, len(table)) if shelf.holds(ENCODE) else (None, None, None)
    shelf.close()
    _check_options(options, sources, learned=scorer is not None)
    hashes = {name: file.sha256 for name, file in (described or describe(files)).items()}
    ranker = Ranker(table, sources, counts, scorer, options, version(hashes), counts_version(hashes))
    return Bundle(ranker, snapshot, blind, golden)


def _network(shelf: Shelf, catalogue: int) -> tuple[Scorer, Blind, GoldenTensors]:
    encode, score, blind = (shelf.read(name, bytes) for name in (ENCODE, SCORE, BLIND))
    vectors = shelf.made(VECTORS, lambda found: _vectors(found, catalogue), lambda read: read)
    golden = shelf.made(GOLDEN, _golden, GoldenTensors.arrays)
    return Scorer(encode, score, vectors["items"], vectors["words"]), Blind(blind), golden


def _vectors(found: Arrays, catalogue: int) -> Arrays:
    items, words = found["items"], found["words"]
    for name, array in (("items", items), ("words", words)):
        if array.ndim != 2 or array.dtype != np.float16 or not np.isfinite(array).all():
            raise ValueError(f"`{name}` is not a table of finite float16")
    if len(items) != catalogue:
        raise ValueError(f"`items` has {len(items)} vectors for {catalogue} items")
    if not 0 < items.shape[1] == words.shape[1]:
        raise ValueError(f"`items` and `words` are {items.shape[1]} and {words.shape[1]} wide, and must be one width")
    return {"items": items, "words": words}


def _golden(found: Arrays) -> GoldenTensors:
    golden = GoldenTensors.read(found)
    if golden.inputs.keys() != OUTPUTS.keys():
        raise ValueError(f"tensors are of {sorted(golden.inputs)} and must be of {sorted(OUTPUTS)}")
    if great := [label for label, array in found.items() if max(array.shape) > _GOLDEN_MAX]:
        raise ValueError(f"`{great[0]}` is longer than {_GOLDEN_MAX}")
    return golden


def _source(shelf: Shelf, kind: type[Source], catalogue: int) -> Source:
    return shelf.made(kind.name, lambda found: kind.read(found, catalogue), lambda source: source.arrays())


def _check_options(options: Options, sources: Mapping[str, Source], *, learned: bool) -> None:
    if options.order == LEARNED and not learned:
        raise BundleError("missing", f"{RANKER} asks for a learned order, but {ENCODE} is not in the bundle")
    if set(options.quotas) != set(sources) or set(options.weights) != set(sources):
        raise BundleError("file", f"{RANKER}: quotas and weights must name {', '.join(sources)}")
    for name, chosen in options.parameters.items():
        if name not in sources or not chosen.keys() <= signature(type(sources[name]).fit).parameters.keys():
            raise BundleError("file", f"{RANKER}: no source {name} is fitted with {', '.join(chosen) or 'nothing'}")


class Shelf:
    """A bundle's files, from which everybody takes their own."""

    def __init__(self, files: Mapping[str, Buffer]) -> None:
        self._left = dict(files)

    def holds(self, name: str) -> bool:
        return name in self._left

    def read(self, name: str, decode: Callable[[Buffer], T]) -> T:
        """What `decode` makes of the file `name`."""
        if name not in self._left:
            raise BundleError("missing", f"{name} is not in the bundle")
        try:
            return decode(self._left.pop(name))
        except ValueError as error:  # msgspec's own errors are ValueErrors
            raise BundleError("file", f"{name}: {error}") from None

    def arrays(self, owner: str) -> Arrays:
        """The arrays in `<owner>.<array>.npy`, by their names; none where there is none."""
        prefix = f"{owner}."
        names = [name for name in self._left if name.startswith(prefix) and name.endswith(_ARRAY)]
        return {name.removeprefix(prefix).removesuffix(_ARRAY): self.read(name, arrays.decode) for name in names}

    def made(self, owner: str, make: Callable[[Arrays], T], used: Callable[[T], Arrays]) -> T:
        """What `make` makes of them, when it has a use for all of them."""
        found = self.arrays(owner)
        try:
            made = make(found)
        except KeyError as error:
            raise BundleError("missing", f"{owner}.{error.args[0]}{_ARRAY} is not in the bundle") from None
        except ValueError as error:
            raise BundleError("file", f"{owner}: {error}") from None
        if unknown := found.keys() - used(made).keys():
            raise BundleError("unknown_file", f"{owner}.{min(unknown)}{_ARRAY}: this release knows no such file")
        return made

    def close(self) -> None:
        if self._left:
            raise BundleError("unknown_file", f"{min(self._left)}: this release knows no such file")


def describe(files: Mapping[str, Buffer]) -> dict[str, File]:
    return {name: File(sha256(data).hexdigest(), len(data)) for name, data in sorted(files.items())}


def version(hashes: Mapping[str, str]) -> str:
    """What a bundle is called: its content, so that the same log trains the same version."""
    return sha256("".join(f"{name} {digest}\n" for name, digest in sorted(hashes.items())).encode()).hexdigest()[:12]


def counts_version(hashes: Mapping[str, str]) -> str:
    """The same of the counted arrays alone, which will come to change without the rest."""
    return version({name: digest for name, digest in hashes.items() if name.endswith(_ARRAY)})
