"""What a profile adds to a list: the same predictions from the session alone, and in every way of using the profile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.click import Click
from schemas.profile import Profile, Trace, fold
from schemas.session import RECENT_MAX, Action, Position
from serving.ranking.ranker import Ranker
from training import bootstrap
from training.metrics import MISS, gains

SESSION_ALONE: Final = "session alone"
IN_FRONT: Final = "all that is older in front"
#: Shows nothing again. Nobody reviews a thing twice, so that on a log of reviews it helps whatever it is worth.
UNLIKE_OWN: Final = "without what was bought or seen"
_AT_ONCE: Final = 256
#: Of reciprocal-rank fusion, as in the ranker.
_FUSION: Final = 60.0
#: Of an item that is in no list.
_NOWHERE: Final = np.inf


@dataclass(frozen=True, slots=True)
class Asked:
    """One prediction of a user who was here before: the next item of a session, from what was before it."""

    session: int
    prefix: tuple[Action, ...]
    profile: Profile
    target: int

    @property
    def now(self) -> int:
        return self.prefix[-1].ts

    @property
    def actions(self) -> tuple[Action, ...]:
        """The profile's items that the session has not touched, oldest first."""
        touched = {action.item_id for action in self.prefix}
        return tuple(action for action in self.profile.actions() if action.item_id not in touched)


Sitting = Sequence[Click]
#: Candidates and the rank that a way gives each.
Ranks = Mapping[int, float]


def asked(clicks: Iterable[Click], since_ms: int, idle_ms: int | None, ranker: Ranker) -> list[Asked]:
    """Every event after the first of its session, where the session begins at `since_ms` or later."""
    by_user: dict[str, list[Click]] = {}
    for click in clicks:
        by_user.setdefault(click.user_id or "", []).append(click)
    found: list[Asked] = []
    numbers = iter(range(10**9))
    for of_user in by_user.values():
        profile, offset = Profile(), 0
        sittings = _sittings(sorted(of_user, key=lambda click: click.ts), idle_ms)
        for sitting in sittings:
            if sitting[0].ts >= since_ms:
                found += _of(next(numbers), sitting, profile, ranker)
            for click in sitting:
                profile, _ = fold(profile, Trace(click, int(click.ts), Position("0badcafe", 0, offset)))
                offset += 1
    return found


def _sittings(clicks: list[Click], idle_ms: int | None) -> list[Sitting]:
    """Sessions as they are, or cut where nothing happens for so long; in the order they began."""
    if idle_ms is None:
        by_session: dict[str, list[Click]] = {}
        for click in clicks:
            by_session.setdefault(click.session_id, []).append(click)
        return list(by_session.values())
    found: list[list[Click]] = []
    for click in clicks:
        if not found or click.ts - found[-1][-1].ts > idle_ms:
            found.append([])
        found[-1].append(click)
    return list(found)


def _of(number: int, sitting: Sitting, profile: Profile, ranker: Ranker) -> Iterator[Asked]:
    actions = [Action(click.touched[0], click.type, int(click.ts)) for click in sitting]
    targets = ranker.table.find([action.item_id for action in actions]).tolist()
    for at in range(1, len(actions)):
        if actions[at].type == "view":
            yield Asked(number, tuple(actions[max(0, at - RECENT_MAX) : at]), profile, targets[at])


@dataclass(frozen=True, slots=True)
class Ways:
    """The session alone, and all the ways, of one prediction after another."""

    ranker: Ranker

    def ranks(self, questions: Sequence[Asked]) -> dict[str, NDArray[np.int32]]:
        columns: dict[str, list[int]] = {}
        for begin in range(0, len(questions), _AT_ONCE):
            some = questions[begin : begin + _AT_ONCE]
            for question, ways in zip(some, self._lists(some), strict=True):
                for way, ranks in ways.items():
                    columns.setdefault(way, []).append(_rank(ranks, question.target))
        return {way: np.array(ranks, dtype=np.int32) for way, ranks in columns.items()}

    def continued(self, questions: Sequence[Asked]) -> dict[str, NDArray[np.int32]]:
        """The session alone and with the whole profile in front, as production has it."""
        ways: dict[str, Callable[[Asked], Sequence[Action]]] = {
            SESSION_ALONE: lambda each: each.prefix,
            IN_FRONT: lambda each: _before(each, RECENT_MAX, soon=False),
        }
        return {way: self._column(questions, read) for way, read in ways.items()}

    def _column(self, questions: Sequence[Asked], read: Callable[[Asked], Sequence[Action]]) -> NDArray[np.int32]:
        found: list[int] = []
        for begin in range(0, len(questions), _AT_ONCE):
            some = questions[begin : begin + _AT_ONCE]
            found += [_rank(ranks, each.target) for ranks, each in zip(self._ranked(some, read), some, strict=True)]
        return np.array(found, dtype=np.int32)

    def _lists(self, some: Sequence[Asked]) -> list[dict[str, Ranks]]:
        alone = self._ranked(some, lambda each: each.prefix)
        ways = {SESSION_ALONE: alone}
        for most in (1, 3, 10):
            ways[f"{most} older in front"] = self._ranked(some, lambda each: _before(each, most, soon=False))  # noqa: B023
        ways[IN_FRONT] = self._ranked(some, lambda each: _before(each, RECENT_MAX, soon=False))
        ways["3 in front, as if just now"] = self._ranked(some, lambda each: _before(each, 3, soon=True))
        whole = self._ranked(some, lambda each: each.actions or each.prefix)
        own = [self._own(each) for each in some]
        for weight in (0.1, 0.3, 1.0):
            ways[f"list of the profile, {weight:g}"] = [_fused(a, b, weight) for a, b in zip(alone, whole, strict=True)]
            ways[f"the profile's items, {weight:g}"] = [_fused(a, b, weight) for a, b in zip(alone, own, strict=True)]
        ways[UNLIKE_OWN] = [_less(a, b) for a, b in zip(alone, own, strict=True)]
        return [dict(zip(ways, lists, strict=True)) for lists in zip(*ways.values(), strict=True)]

    def _ranked(self, some: Sequence[Asked], read: Callable[[Asked], Sequence[Action]]) -> list[Ranks]:
        queries = [self.ranker.query(read(each)[-RECENT_MAX:], each.now) for each in some]
        return [_placed(each.pool.ids, each.scores) for each in self.ranker.consider(queries)]

    def _own(self, each: Asked) -> Ranks:
        items = [action.item_id for action in reversed(each.actions)]
        places = self.ranker.table.find(items).tolist()
        return {place: 1.0 + at for at, place in enumerate(places) if place >= 0}


def _before(each: Asked, most: int, *, soon: bool) -> Sequence[Action]:
    front = each.actions[-most:]
    if soon:
        front = tuple(Action(action.item_id, action.type, each.prefix[0].ts) for action in front)
    return (*front, *each.prefix)


def _placed(ids: NDArray[np.int32], scores: NDArray[np.float64]) -> Ranks:
    """Equal scores share the worse place."""
    order = np.sort(-scores)
    return dict(zip(ids.tolist(), np.searchsorted(order, -scores, side="right").tolist(), strict=True))


def _fused(first: Ranks, second: Ranks, weight: float) -> Ranks:
    ids = np.array([*first, *(each for each in second if each not in first)], dtype=np.int32)
    ranks = [np.array([ranks.get(each, _NOWHERE) for each in ids.tolist()]) for ranks in (first, second)]
    return _placed(ids, 1 / (_FUSION + ranks[0]) + weight / (_FUSION + ranks[1]))


def _less(first: Ranks, without: Ranks) -> Ranks:
    left = [each for each in first if each not in without]
    return _placed(np.array(left, dtype=np.int32), -np.array([first[each] for each in left], dtype=np.float64))


def _rank(ranks: Ranks, target: int) -> int:
    return int(ranks.get(target, MISS))


@dataclass(frozen=True, slots=True)
class Gain:
    """A way against the session alone: HR@20, MRR@20, and the difference with its 95 % interval."""

    way: str
    hit_rate: float
    mrr: float
    hit_rate_by: tuple[float, float, float]
    mrr_by: tuple[float, float, float]

    def __str__(self) -> str:
        by = "  ".join(f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]" for mean, low, high in (self.hit_rate_by, self.mrr_by))
        return f"{self.way:34} {self.hit_rate:.4f} {self.mrr:.4f}  {by}"


def compared(ranks: Mapping[str, NDArray[np.int32]], questions: Sequence[Asked]) -> list[Gain]:
    base = gains(ranks[SESSION_ALONE])[:, [1, 3]]
    owners = np.unique([each.session for each in questions], return_inverse=True)[1]
    return [_gain(way, gains(found)[:, [1, 3]], base, owners) for way, found in ranks.items()]


def _gain(way: str, found: NDArray[np.float64], base: NDArray[np.float64], owners: NDArray[np.int64]) -> Gain:
    more = found - base
    sums = np.stack([np.bincount(owners, column) for column in more.T], axis=1).astype(np.float64)
    low, high = bootstrap.interval(bootstrap.resampled(sums, np.bincount(owners)))
    by = [
        (float(mean), float(least), float(most)) for mean, least, most in zip(more.mean(axis=0), low, high, strict=True)
    ]
    hit_rate, mrr = found.mean(axis=0).tolist()
    return Gain(way, hit_rate, mrr, by[0], by[1])
