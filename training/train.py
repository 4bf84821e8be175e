"""`nextclick train`: an event log becomes a bundle: learned, packed, asked its golden questions, published."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import numpy as np
import torch
from msgspec import structs

from schemas.bundle import MANIFEST, UNSEALED, Data, Manifest, encode, sealed
from schemas.errors import DataError, InvariantError, UsageError
from schemas.item import Item
from schemas.session import Action
from serving.ranking import bundle, golden
from serving.ranking.past import Past
from serving.ranking.recent import newest
from serving.ranking.sessions import DEEDS, Sessions
from training import measure, memory, past
from training.audit import refusal
from training.begun import Begun, Origin
from training.checkpoint import Keeper
from training.fitting import settled
from training.learning import Learned, Learner, Told
from training.log import EventLog
from training.past import Gathered
from training.place import Place, untaken
from training.plan import PLANS, Preset
from training.report.documents import documents
from training.shortening import WRITING_S, Cut, shortened

_GOLDEN_SESSIONS: Final = 16
_GOLDEN_LENGTH: Final = 10


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for beside the log."""

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
    #: Told in a sentence what a person should know meanwhile.
    say: Callable[[str], None]
    place: Place
    seconds: dict[str, float] = field(default_factory=dict)
    _running: tuple[str, float] | None = None
    _fit: Begun | None = None

    def stage(self, name: str) -> Told:
        self.end()
        self._running = (name, self.clock())
        return self.show(name)

    def end(self) -> None:
        if self._running is not None:
            name, began = self._running
            self.seconds[name] = round(self.seconds.get(name, 0) + self.clock() - began, 3)
        self._running = None

    def begin(self, origin: Origin, decide: Callable[[], Cut]) -> Cut:
        """What was decided of this fit when it was begun, or now."""
        self._fit = fit = Begun(self.place.folder, origin)
        for other in fit.others():
            self.say(other)
        if (cut := fit.cut()) is None:
            fit.decide(cut := decide())
        return cut

    def keeper(self, stage: str, about: dict[str, str | int | float]) -> Keeper:
        if self._fit is None:
            raise InvariantError("a fit is kept of which nobody has said what it is of")
        return self._fit.keeper(stage, about)


def train(log: EventLog, catalogue: Iterable[Item], order: Order, now: int, stages: Stages) -> Manifest:
    """The bundle in the directory `out`, which must not exist yet: bundles never change.

    The same log, seed, versions and threads give the same files on a CPU, and so the same version.
    """
    settled(order.device)
    torch.set_num_threads(order.threads)
    torch.use_deterministic_algorithms(True)
    with stages.place.held():
        untaken(stages.place.out)
        manifest = _trained(log, catalogue, order, now, stages)
        stages.place.forget()
    return manifest


def _trained(log: EventLog, catalogue: Iterable[Item], order: Order, now: int, stages: Stages) -> Manifest:
    begun = stages.clock()
    stages.stage("read")
    items = {item.item_id: item for item in catalogue}
    gathered = past.gather(log, items)
    if why := _refused(gathered.past.sessions):
        raise DataError("untrainable", why)
    cut = stages.begin(_origin(log, order, gathered.past), lambda: _decided(gathered.past, order, begun, stages))
    learnt = cut.of(gathered.past)
    if cut.left_out:
        stages.say(_shorter(len(gathered.past.sessions), cut.left_out, order))
    if _refused(learnt.sessions):
        raise UsageError(f"nothing can be learned in {order.max_minutes:g} minutes here; raise --max-minutes")
    learner = Learner(learnt, cut.plan, order.seed, order.device, order.threads, stages)
    learned = learner.learn()
    stages.stage("measure")
    evaluation = measure.measured(learned, order.threads)
    stages.stage("write")
    files = bundle.pack(learned.ranker, newest(learnt.sessions), learned.network)
    ranker = bundle.unpack(files).ranker
    answers = golden.answers(ranker, list(_golden_sessions(learnt)), int(learnt.sessions.times.max()))
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
            **_parameters(learned, gathered, cut.left_out),
        },
        data=_data(learnt, log),
        files=bundle.describe(files),
        golden=answers,
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
    stages.place.publish(files | papers | {MANIFEST: encode(manifest)})
    return manifest


def _decided(learnable: Past, order: Order, begun: float, stages: Stages) -> Cut:
    """What can be learned in the time that reading has left, and writing will leave."""
    left = None
    if order.max_minutes is not None:
        left = max(0.0, order.max_minutes * 60 - (stages.clock() - begun) - WRITING_S)
    return shortened(learnable, PLANS[order.preset], left, order.device, stages.clock)


def _shorter(sessions: int, left_out: int, order: Order) -> str:
    kept = f"the newest {sessions - left_out:,} of {sessions:,} sessions are learned from"
    return f"{kept}: {order.max_minutes:g} minutes are enough for no more here, as --max-minutes wants"


def _refused(sessions: Sessions) -> str | None:
    return refusal(len(sessions.items), len(sessions), len(np.unique(sessions.items)))


def _origin(log: EventLog, order: Order, gathered: Past) -> Origin:
    told = sha256()
    for name, array in sorted(gathered.table.arrays().items()):
        told.update(f"{name} {array.shape} {array.dtype}".encode())
        told.update(np.ascontiguousarray(array).data)
    return Origin(
        command=order.command,
        log=log.sha256,
        catalogue=told.hexdigest(),
        threads=order.threads,
        versions=_versions(),
    )


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
