"""`nextclick train`: an event log becomes a bundle: learned, packed, asked its golden questions, published."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import numpy as np
import torch
from msgspec import structs

from schemas.bundle import MANIFEST, UNSEALED, Data, Manifest, encode, sealed
from schemas.errors import DataError, UsageError
from schemas.item import Item
from schemas.session import Action
from serving.ranking import bundle, golden
from serving.ranking.past import Past
from serving.ranking.recent import newest
from serving.ranking.sessions import DEEDS, Sessions
from training import measure, memory, past, shortening
from training.audit import refusal
from training.checkpoint import InFile, Keeper
from training.learning import Learned, Learner, Told
from training.log import EventLog
from training.past import Gathered
from training.plan import PLANS, Preset
from training.publishing import publish
from training.report.documents import documents

_GOLDEN_SESSIONS: Final = 16
_GOLDEN_LENGTH: Final = 10


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for beside the log."""

    out: Path
    command: str
    preset: Preset = "full"
    seed: int = 0
    device: str = "cpu"
    threads: int = 1
    max_minutes: float | None = None


@dataclass(slots=True)
class Stages:
    """Where the time goes, and where an interrupted fit is kept."""

    clock: Callable[[], float]
    #: Told of every stage, and then how much of it is done.
    show: Callable[[str], Told]
    folder: Path
    digest: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    _begun: tuple[str, float] | None = None

    def stage(self, name: str) -> Told:
        self.end()
        self._begun = (name, self.clock())
        return self.show(name)

    def end(self) -> None:
        if self._begun is not None:
            name, begun = self._begun
            self.seconds[name] = round(self.seconds.get(name, 0) + self.clock() - begun, 3)
        self._begun = None

    def forget(self) -> None:
        """The bundle is out: nothing is left to resume."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def keeper(self, stage: str, about: dict[str, str | int | float]) -> Keeper:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                "unwritable", f"{self.folder}: {error}; name an --out in a directory that can be written to"
            ) from error
        return InFile(self.folder / f"{stage}.pt", {"log": self.digest, **about})


def train(log: EventLog, catalogue: Iterable[Item], order: Order, now: int, stages: Stages) -> Manifest:
    """The bundle in the directory `out`, which must not exist yet: bundles never change.

    The same log, seed, versions and threads give the same files on a CPU, and so the same version.
    """
    if order.out.exists():
        raise UsageError(f"{order.out} exists, and a bundle is never overwritten; name another --out, or remove it")
    torch.set_num_threads(order.threads)
    torch.use_deterministic_algorithms(True)
    stages.stage("read")
    items = {item.item_id: item for item in catalogue}
    gathered = past.gather(log, items)
    if why := _refused(gathered.past.sessions):
        raise DataError("untrainable", why)
    stages.digest = _digest(log, order, gathered.past)
    learnt, plan, left_out = shortening.shortened(
        gathered.past, PLANS[order.preset], order.max_minutes, order.device, stages.clock
    )
    if _refused(learnt.sessions):
        raise UsageError(f"nothing can be learned in {order.max_minutes:g} minutes here; raise --max-minutes")
    learner = Learner(learnt, plan, order.seed, order.device, order.threads, stages)
    learned = learner.learn()
    stages.stage("measure")
    evaluation = measure.measured(learned, order.threads)
    stages.stage("write")
    files = bundle.pack(learned.ranker, newest(learnt.sessions), learned.network)
    ranker = bundle.unpack(files).ranker
    stages.end()
    drafted = Manifest(
        version=ranker.version,
        counts_version=ranker.counts_version,
        created_at=now,
        command=order.command,
        seed=order.seed,
        versions=_versions(),
        parameters={
            "preset": order.preset,
            "device": learner.device,
            "threads": order.threads,
            **_parameters(learned, gathered, left_out),
        },
        data=_data(learnt, log),
        files=bundle.describe(files),
        golden=golden.answers(ranker, list(_golden_sessions(learnt)), int(learnt.sessions.times.max())),
        evaluation={} if evaluation is None else evaluation.report(),
        seconds=stages.seconds,
        peak_memory_bytes=memory.peak_bytes(),
        sha256=UNSEALED,
    )
    stages.stage("report")
    papers = documents(drafted, evaluation, learned, learnt)
    stages.end()
    finished = structs.replace(
        drafted,
        documents=bundle.describe(papers),
        seconds=stages.seconds,
        peak_memory_bytes=memory.peak_bytes(),
    )
    manifest = sealed(finished)
    publish(files | papers | {MANIFEST: encode(manifest)}, order.out)
    stages.forget()
    return manifest


def _refused(sessions: Sessions) -> str | None:
    return refusal(len(sessions.items), len(sessions), len(np.unique(sessions.items)))


def _digest(log: EventLog, order: Order, gathered: Past) -> str:
    """Of all that a fit hangs on: what was learned of anything else is not gone on from."""
    told = sha256(f"{log.sha256} {order.command} {order.threads} {sorted(_versions().items())}".encode())
    for name, array in sorted(gathered.table.arrays().items()):
        told.update(f"{name} {array.shape} {array.dtype}".encode())
        told.update(np.ascontiguousarray(array).data)
    return told.hexdigest()


def _parameters(learned: Learned, gathered: Gathered, left_out: int) -> dict[str, str | int | float | bool]:
    """What a person should know of how this bundle ranks; the options themselves are a file of it."""
    options = learned.ranker.options
    return {
        "order": options.order,
        "drop_last_item": options.drop_last_item,
        "relation": options.relation,
        "fusion_predictions": learned.split.predictions,
        "sessions_left_out_by_max_minutes": left_out,
        **{f"sessions_left_out_by_{reason}": count for reason, count in gathered.left_out.items()},
    }


def _data(learnt: Past, log: EventLog) -> Data:
    times = learnt.sessions.times
    return Data(
        events=len(times),
        sessions=len(learnt.sessions),
        items=len(learnt.table),
        first_ts=int(times.min()),
        last_ts=int(times.max()),
        clocked=learnt.sessions.clocked,
        log_sha256=log.sha256,
    )


def _golden_sessions(learnt: Past) -> Iterator[tuple[Action, ...]]:
    """Sessions from all over the log, by their first few events."""
    sessions = learnt.sessions
    for at in np.unique(np.linspace(0, len(sessions) - 1, _GOLDEN_SESSIONS, dtype=np.int64)).tolist():
        begin = int(sessions.starts[at])
        part = slice(begin, min(int(sessions.starts[at + 1]), begin + _GOLDEN_LENGTH))
        columns = (sessions.items[part].tolist(), sessions.types[part].tolist(), sessions.times[part].tolist())
        yield tuple(Action(learnt.table.id(item), DEEDS[deed], ts) for item, deed, ts in zip(*columns, strict=True))


def _versions() -> dict[str, str]:
    found = {
        "python": platform.python_version(),
        **{package: version(package) for package in ("numpy", "numba", "onnxruntime", "torch")},
    }
    with suppress(PackageNotFoundError):  # run from a checkout
        found["nextclick"] = version("nextclick")
    return found
