"""What an installation left, held against what one thread makes of its topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas import facts

Hashes = Mapping[str, Mapping[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Names of sessions and users, and numbers of events."""

    sessions: int
    #: Whose hash is not, byte for byte, the fold of the topic.
    differ: Sequence[str]
    #: Events that changed too little, and too much.
    lost: int
    doubled: int
    #: Whose newest state has no list, in Redis and on the topic.
    unlisted: Sequence[str]
    unpublished: Sequence[str]
    #: Users whose profile is not, byte for byte, the fold of the topic.
    misremembered: Sequence[str] = ()

    @property
    def is_whole(self) -> bool:
        return not (self.differ or self.unlisted or self.unpublished or self.misremembered)

    def __str__(self) -> str:
        return (
            f"{len(self.differ)} of {self.sessions:,} sessions differ, {self.lost} events lost, {self.doubled} "
            f"doubled, {len(self.unlisted)} lack a stored list, {len(self.unpublished)} a published one, "
            f"{len(self.misremembered)} profiles differ"
        )


def judge(
    expected: Hashes, found: Hashes, stored: Mapping[str, tuple[int, int]], told: Mapping[str, tuple[int, int]]
) -> Verdict:
    """`stored` and `told` are the greatest (started, version) of each session, in Redis and on the topic."""
    behind = [_version(expected[name]) - _version(found[name]) for name in expected]
    newest = {name: facts.incarnation(fields) for name, fields in expected.items() if _version(fields)}
    return Verdict(
        sessions=len(expected),
        differ=[name for name, fields in expected.items() if fields != found[name]],
        lost=sum(max(0, events) for events in behind),
        doubled=sum(max(0, -events) for events in behind),
        unlisted=[name for name, version in newest.items() if stored.get(name) != version],
        unpublished=[name for name, version in newest.items() if told.get(name) != version],
    )


def _version(fields: Mapping[bytes, bytes]) -> int:
    return facts.incarnation(fields)[1] if fields else 0
