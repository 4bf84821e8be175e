"""A bundle's files as bytes: what training packs is what production unpacks, so that neither can drift.

    manifest.json               schemas/bundle.py
    items.json                  the item table
    ranker.json                 the options training chose
    <source>.<array>.npy        the arrays of the sources

No path and no hash is looked at here: serving/state/bundles.py has verified the bytes by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Final, TypeVar

from schemas.bundle import File, Golden
from schemas.errors import BundleError
from schemas.session import Action, Session
from serving.ranking import arrays
from serving.ranking.ranker import Options, Ranked, Ranker
from serving.ranking.sources import ALL
from serving.ranking.sources.source import Source
from serving.ranking.table import Table

ITEMS: Final = "items.json"
RANKER: Final = "ranker.json"
_ARRAY: Final = ".npy"

#: How many of a golden answer's items are compared, and how near two scores are one.
GOLDEN_TOP: Final = 10
_TIE: Final = 1e-9

T = TypeVar("T")


def pack(table: Table, options: Options, sources: Mapping[str, Source]) -> dict[str, bytes]:
    """Every file but the manifest."""
    files = {ITEMS: table.encode(), RANKER: options.encode()}
    for name, source in sources.items():
        files |= {f"{name}.{array}{_ARRAY}": arrays.encode(values) for array, values in source.arrays().items()}
    return files


def unpack(files: Mapping[str, bytes]) -> Ranker:
    """The ranker in a bundle's files. BundleError names the file that is not what it should be."""
    left = dict(files)
    table = _read(ITEMS, left, Table.decode)
    options = _read(RANKER, left, Options.decode)
    sources = {source.name: _source(source, left, len(table)) for source in ALL}
    if left:
        raise BundleError("unknown_file", f"{min(left)}: this release knows no such file")
    if set(options.quotas) != set(sources) or set(options.weights) != set(sources):
        raise BundleError("file", f"{RANKER}: quotas and weights must name {', '.join(sources)}")
    hashes = {name: sha256(data).hexdigest() for name, data in files.items()}
    return Ranker(table, sources, options, version(hashes), counts_version(hashes))


def _source(kind: type[Source], left: dict[str, bytes], catalogue: int) -> Source:
    """The source of this kind, its files taken out of `left`."""
    prefix = f"{kind.name}."
    names = [name for name in left if name.startswith(prefix) and name.endswith(_ARRAY)]
    found = {name.removeprefix(prefix).removesuffix(_ARRAY): _read(name, left, arrays.decode) for name in names}
    try:
        source = kind.read(found, catalogue)
    except KeyError as error:
        raise BundleError("missing", f"{prefix}{error.args[0]}{_ARRAY} is not in the bundle") from None
    except ValueError as error:
        raise BundleError("file", f"{kind.name}: {error}") from None
    if unknown := found.keys() - source.arrays().keys():
        raise BundleError("unknown_file", f"{prefix}{min(unknown)}{_ARRAY}: this release knows no such file")
    return source


def _read(name: str, left: dict[str, bytes], decode: Callable[[bytes], T]) -> T:
    """The file `name`, taken out of `left`."""
    if name not in left:
        raise BundleError("missing", f"{name} is not in the bundle")
    try:
        return decode(left.pop(name))
    except ValueError as error:  # msgspec's own errors are ValueErrors
        raise BundleError("file", f"{name}: {error}") from None


def describe(files: Mapping[str, bytes]) -> dict[str, File]:
    return {name: File(sha256(data).hexdigest(), len(data)) for name, data in sorted(files.items())}


def version(hashes: Mapping[str, str]) -> str:
    """What a bundle is called: its content, so that the same log trains the same version."""
    return sha256("".join(f"{name} {digest}\n" for name, digest in sorted(hashes.items())).encode()).hexdigest()[:12]


def counts_version(hashes: Mapping[str, str]) -> str:
    """The same of the counted arrays alone, which will come to change without the rest."""
    return version({name: digest for name, digest in hashes.items() if name.endswith(_ARRAY)})


def golden(ranker: Ranker, sessions: Sequence[Sequence[str]], now: int) -> Golden:
    """What `ranker` answers to `sessions`, for every later one to repeat."""
    answers = ranker.rank([_session(items, now) for items in sessions], now)
    top = tuple(tuple(item.item_id for item in answer.items[:GOLDEN_TOP]) for answer in answers)
    return Golden(now=now, sessions=tuple(tuple(session) for session in sessions), top=top)


def check(ranker: Ranker, expected: Golden) -> None:
    """BundleError unless `ranker` answers as it did when the bundle was made, ties aside."""
    if len(expected.sessions) != len(expected.top):
        raise BundleError("golden", f"{len(expected.sessions)} golden sessions have {len(expected.top)} answers")
    answers = ranker.rank([_session(items, expected.now) for items in expected.sessions], expected.now)
    for number, (answer, top) in enumerate(zip(answers, expected.top, strict=True)):
        if not _agrees(answer, top):
            first = [item.item_id for item in answer.items[: len(top)]]
            raise BundleError("golden", f"golden session {number} must give {list(top)} and gives {first}")


def _agrees(answer: Ranked, top: Sequence[str]) -> bool:
    """The same items, where an item may stand in the place of another with its score."""
    if len(top) != min(GOLDEN_TOP, len(answer.items)) or len(set(top)) != len(top):
        return False
    scores = {item.item_id: item.score for item in answer.items}
    places = [item.score for item in answer.items[: len(top)]]
    return all(abs(scores.get(item, -1) - score) <= _TIE for item, score in zip(top, places, strict=True))


def _session(items: Sequence[str], now: int) -> Session:
    return Session(started=now, seen=now, recent=tuple(Action(item, "view", now) for item in items))
