"""How long clicks wait for their lists, read off the two topics afterwards; both carry the broker's clock.

A click is answered by the first list of its session whose trigger lies at or behind it in its partition.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Final

import msgspec

from schemas.settings import Settings
from schemas.topics import Topics
from tests.kit import topic
from tests.kit.topic import Raw

_READ_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Answer:
    session_id: str
    #: When the broker had the click, epoch ms.
    clicked_at: int
    #: Until it had the list; infinite where there is none.
    waited_ms: float


class _Trigger(msgspec.Struct):
    partition: int
    offset: int


class _List(msgspec.Struct):
    trigger: _Trigger


_LISTS: Final = msgspec.json.Decoder(_List)


def stamp_lists(settings: Settings) -> None:
    """Before the first list: without this their topic carries the workers' clocks."""
    name = Topics.named(settings.topic_prefix).recommendations
    topic.configure(settings, name, {"message.timestamp.type": "LogAppendTime"})


def read(settings: Settings) -> list[Answer]:
    """Of everything on the clickstream, which must be clicks that each ask for a list."""
    names = Topics.named(settings.topic_prefix)
    clicks = topic.read_all(settings.kafka, names.clickstream, _READ_S)
    return list(answers(clicks, topic.each(settings.kafka, names.recommendations, _READ_S)))


def answers(clicks: Iterable[Raw], lists: Iterable[Raw]) -> Iterator[Answer]:
    """Both in the order of their partitions."""
    waiting: dict[bytes, deque[Raw]] = {}
    for click in clicks:
        waiting.setdefault(click.key or b"", deque()).append(click)
    for each in lists:
        if each.value is None:
            continue
        trigger, queue = _LISTS.decode(each.value).trigger, waiting.get(each.key or b"", deque())
        while queue and (queue[0].partition, queue[0].offset) <= (trigger.partition, trigger.offset):
            click = queue.popleft()
            yield Answer((click.key or b"").decode(), click.timestamp, each.timestamp - click.timestamp)
    for queue in waiting.values():
        yield from (Answer((click.key or b"").decode(), click.timestamp, inf) for click in queue)


def percentile(found: Sequence[Answer], percent: int) -> float:
    """Milliseconds that so many of a hundred clicks wait at most."""
    waits = sorted(answer.waited_ms for answer in found)
    return waits[ceil(len(waits) * percent / 100) - 1]


def by_time(found: Sequence[Answer], seconds: int) -> dict[int, list[Answer]]:
    """Second since the first click -> those of that span."""
    first = min(answer.clicked_at for answer in found)
    spans: dict[int, list[Answer]] = {}
    for answer in sorted(found, key=lambda answer: answer.clicked_at):
        spans.setdefault((answer.clicked_at - first) // 1_000 // seconds * seconds, []).append(answer)
    return spans
