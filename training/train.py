"""An event log becomes a bundle: counted, packed, asked its golden questions, published by one rename."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import numpy as np

from schemas.bundle import MANIFEST, UNSEALED, Data, Manifest, encode, sealed
from schemas.errors import DataError, UsageError
from schemas.item import Item
from serving.ranking import bundle
from serving.ranking.ranker import Options
from serving.ranking.sources.covisitation import Covisitation
from serving.ranking.sources.popular import HALF_LIFE_MS, Popular
from serving.ranking.sources.session_items import SessionItems
from serving.ranking.sources.source import Source
from training import past
from training.log import EventLog
from training.past import Past

#: The most a source may bring. Together they are more than the pool: popular items fill what the rest leaves.
QUOTAS: Final = {"session_items": 50, "covisitation": 110, "popular": 200}
#: How much a source's ranks say in the fusion.
WEIGHTS: Final = {"session_items": 0.5, "covisitation": 1.0, "popular": 0.1}
#: Below this share of returns within sessions, a session's own items are left out of its lists.
_REPEATS_FROM: Final = 0.005

_GOLDEN_SESSIONS: Final = 16
_GOLDEN_LENGTH: Final = 10


def train(log: EventLog, catalogue: Iterable[Item], out: Path, now: int, command: str, seed: int = 0) -> Manifest:
    """The bundle counted from `log`, in the directory `out`, which must not exist yet: bundles never change.

    The same log gives the same files, and so the same version, whenever and wherever it is read.
    """
    if out.exists():
        raise UsageError(f"{out} exists, and a bundle is never overwritten; name another --out, or remove it")
    before = past.gather(log, {item.item_id: item.title for item in catalogue})
    sources: dict[str, Source] = {
        SessionItems.name: SessionItems.fit(before.sessions),
        Covisitation.name: Covisitation.fit(before.sessions),
        Popular.name: Popular.fit(before.sessions),
    }
    files = bundle.pack(before.table, _options(before), sources)
    ranker = bundle.unpack(files)
    unsealed = Manifest(
        version=ranker.version,
        counts_version=ranker.counts_version,
        created_at=now,
        command=command,
        versions=_versions(),
        parameters=_parameters(before, seed),
        data=_data(before, log.sha256),
        files=bundle.describe(files),
        golden=bundle.golden(ranker, _golden_sessions(before), int(before.sessions.times.max())),
        sha256=UNSEALED,
    )
    manifest = sealed(unsealed)
    _publish(files | {MANIFEST: encode(manifest)}, out)
    return manifest


def _options(before: Past) -> Options:
    bought = before.types["purchase"] * 2 > before.types.total()
    repeats = before.repeat_share >= _REPEATS_FROM
    return Options(repeats=repeats, relation="bought" if bought else "viewed", quotas=QUOTAS, weights=WEIGHTS)


def _parameters(before: Past, seed: int) -> dict[str, str | int | float]:
    """What a person should know of how this bundle ranks; the options themselves are a file of it."""
    options = _options(before)
    return {
        "order": "weighted reciprocal-rank fusion",
        "repeats": "kept" if options.repeats else "left out",
        "repeat_share": round(before.repeat_share, 6),
        "relation": options.relation,
        "popular_half_life_ms": HALF_LIFE_MS,
        "seed": seed,
    }


def _data(before: Past, log_sha256: str) -> Data:
    times = before.sessions.times
    return Data(
        events=len(times),
        sessions=len(before.sessions),
        items=len(before.table),
        first_ts=int(times.min()),
        last_ts=int(times.max()),
        log_sha256=log_sha256,
    )


def _golden_sessions(before: Past) -> list[tuple[str, ...]]:
    """Sessions from all over the log, by their first few items."""
    chosen = np.unique(np.linspace(0, len(before.sessions) - 1, _GOLDEN_SESSIONS, dtype=np.int64))
    return [tuple(before.table.ids[item] for item in before.sessions.of(at)[:_GOLDEN_LENGTH]) for at in chosen.tolist()]


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "numpy": np.__version__}
    with suppress(PackageNotFoundError):  # run from a checkout
        found["nextclick"] = version("nextclick")
    return found


def _publish(files: Mapping[str, bytes], out: Path) -> None:
    """All files under `out`, or none: they are written beside it and appear there in one rename."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise DataError("unwritable", f"{out}: {error}; name an --out in a directory that can be written to") from error
    try:
        for name, data in files.items():
            _write(staged / name, data)
        staged.chmod(0o755)  # mkdtemp lets nobody else in
        staged.rename(out)
    except OSError as error:
        raise DataError("unwritable", f"{out}: {error}; make room there, or name another --out") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
