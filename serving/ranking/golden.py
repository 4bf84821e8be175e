"""The answers a bundle must give: its own, from when it was made, and never those of a model that is broken.

Floats come from another processor's arithmetic than they were made with, so that two of them are one within
a thousandth, and items whose scores are one may stand in each other's place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from schemas.bundle import Golden, GoldenAction, GoldenSession
from schemas.errors import BundleError
from schemas.session import Action, Session
from serving.ranking.ranker import NOT_FINITE, Ranked
from serving.ranking.sessions import DEEDS

#: How many of a golden list's items are compared.
TOP: Final = 10
#: How far apart two scores are still one, as a share of the greatest of their list or tensor.
TOLERANCE: Final = 1e-3

Tensors = Mapping[str, NDArray[Any]]
#: A model as its entry points: the name of one and its inputs -> its outputs.
Model = Callable[[str, Tensors], Tensors]

_IN: Final = "in"
_OUT: Final = "out"


class Ranks(Protocol):
    def rank(self, sessions: Sequence[Session], now: int) -> list[Ranked]: ...


def answers(ranker: Ranks, sessions: Sequence[Sequence[Action]], now: int) -> Golden:
    """What `ranker` answers to `sessions`, for every later one to repeat."""
    asked = [tuple(GoldenAction(each.item_id, each.type, each.ts) for each in session) for session in sessions]
    found = _ask(ranker, asked, now)
    tops = [tuple(item.item_id for item in answer.items[:TOP]) for answer in found]
    return Golden(now=now, sessions=tuple(map(GoldenSession, asked, tops)))


def check(ranker: Ranks, expected: Golden) -> None:
    """BundleError unless `ranker` answers as it did when the bundle was made, ties aside."""
    found = _ask(ranker, [session.actions for session in expected.sessions], expected.now)
    for number, (answer, session) in enumerate(zip(found, expected.sessions, strict=True)):
        if not _agrees(answer, session.top):
            first = [item.item_id for item in answer.items[: len(session.top)]]
            raise BundleError("golden", f"golden session {number} must give {list(session.top)} and gives {first}")


def _ask(ranker: Ranks, sessions: Sequence[Sequence[GoldenAction]], now: int) -> list[Ranked]:
    if strange := sorted({each.type for actions in sessions for each in actions} - set(DEEDS)):
        raise BundleError("golden", f"a golden session holds {', '.join(strange)}, which no session keeps")
    found = ranker.rank([_session(actions, now) for actions in sessions], now)
    for number, answer in enumerate(found):
        if answer.fallback == NOT_FINITE or not np.isfinite([item.score for item in answer.items]).all():
            raise BundleError("golden", f"golden session {number} is given a score that is not a finite number")
    lists = [{item.score for item in answer.items} for answer in found if len(answer.items) > 1]
    if lists and all(len(scores) == 1 for scores in lists):
        raise BundleError("golden", "every item of every golden session has the same score: the model is constant")
    return found


def _session(actions: Sequence[GoldenAction], now: int) -> Session:
    recent = tuple(Action(each.item_id, each.type, each.ts) for each in actions)
    return Session(started=recent[0].ts if recent else now, seen=now, recent=recent)


def _agrees(answer: Ranked, top: Sequence[str]) -> bool:
    """The same items, where an item may stand in the place of another with its score."""
    if len(top) != min(TOP, len(answer.items)) or len(set(top)) != len(top):
        return False
    scores = {item.item_id: item.score for item in answer.items}
    near = TOLERANCE * max((abs(score) for score in scores.values()), default=0)
    places = [item.score for item in answer.items[: len(top)]]
    return all(item in scores and abs(scores[item] - score) <= near for item, score in zip(top, places, strict=True))


@dataclass(frozen=True, slots=True)
class GoldenTensors:
    """Fixed inputs of each entry point of a model, a row a session, and what it made of them."""

    inputs: Mapping[str, Tensors]
    outputs: Mapping[str, Tensors]

    @classmethod
    def of(cls, model: Model, inputs: Mapping[str, Tensors]) -> Self:
        made = cls(inputs, {entry: model(entry, given) for entry, given in inputs.items()})
        made._check_sound()
        return made

    @classmethod
    def read(cls, arrays: Tensors) -> Self:
        """From what `arrays` gave. ValueError when it is not that."""
        inputs: dict[str, dict[str, NDArray[Any]]] = {}
        outputs: dict[str, dict[str, NDArray[Any]]] = {}
        for label, array in arrays.items():
            entry, side, name = (*label.split(".", 2), "", "")[:3]
            if side not in (_IN, _OUT) or not name or not array.ndim:
                raise ValueError(f"`{label}` is no input or output of a model")
            (inputs if side == _IN else outputs).setdefault(entry, {})[name] = array
        if inputs.keys() != outputs.keys():
            raise ValueError(f"inputs are of {sorted(inputs)} and outputs of {sorted(outputs)}")
        return cls(inputs, outputs)

    def arrays(self) -> Tensors:
        sides = ((_IN, self.inputs), (_OUT, self.outputs))
        return {
            f"{entry}.{side}.{name}": array
            for side, entries in sides
            for entry, tensors in entries.items()
            for name, array in tensors.items()
        }

    def check(self, model: Model) -> None:
        """BundleError unless `model` gives these outputs for these inputs, and they are those of a sound one."""
        self._check_sound()
        for entry, expected in self.outputs.items():
            found = model(entry, self.inputs[entry])
            if found.keys() != expected.keys():
                raise BundleError("golden", f"{entry} must give {sorted(expected)} and gives {sorted(found)}")
            for name, values in expected.items():
                _compare(f"{entry}: `{name}`", found[name], values)

    def _check_sound(self) -> None:
        for entry, outputs in self.outputs.items():
            for name, values in outputs.items():
                _check_sound(f"{entry}: `{name}`", values)


def _check_sound(what: str, values: NDArray[Any]) -> None:
    if not np.isfinite(values).all():
        raise BundleError("golden", f"{what} holds a value that is not a finite number")
    if len(values) > 1 and (values == values[:1]).all():
        raise BundleError("golden", f"{what} is the same for every session: the model is constant")
    if values.ndim > 1 and values.shape[-1] > 1 and (values == values[..., :1]).all():
        raise BundleError("golden", f"{what} is one value for each session: the model is constant")


def _compare(what: str, found: NDArray[Any], expected: NDArray[Any]) -> None:
    if found.shape != expected.shape:
        raise BundleError("golden", f"{what} has the shape {found.shape} instead of {expected.shape}")
    ours, theirs = found.astype(np.float64), expected.astype(np.float64)
    if not (np.abs(ours - theirs) <= TOLERANCE * np.abs(theirs).max(initial=0)).all():  # false of a NaN
        raise BundleError("golden", f"{what} is {np.abs(ours - theirs).max():.3g} off its golden answer")
