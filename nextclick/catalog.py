"""Fills the topic `catalog` from a file by difference: what the topic says already is not said again."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Final

from schemas import wire
from schemas.item import Entry, Item, encode
from schemas.settings import Settings
from schemas.topics import Topics
from serving.state.catalogue import Catalogue
from serving.state.producer import Outgoing, Producer

if TYPE_CHECKING:
    from training.catalogue import Catalogue as File

#: Records that are under way together; all of them have arrived before the next ones go.
_SENT_AT_ONCE: Final = 1_000
_DEADLINE_S: Final = 30.0
#: To delete a greater share than this is more likely a mistake than meant.
_DELETED_SHARE: Final = 0.5
_DIGEST_BYTES: Final = 16

#: Told how much is done, and of how much.
Told = Callable[[int, int], None]


@dataclass(slots=True)
class Difference:
    """What a file says that a topic does not; of what the topic says a digest is kept."""

    told: dict[str, bytes] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    #: Items of the file that are not said, by why.
    refused: Counter[str] = field(default_factory=Counter)

    def read(self, entries: Iterable[Entry]) -> None:
        """What the topic says."""
        for entry in entries:
            if entry.item is None:
                self.told.pop(entry.item_id, None)
            else:
                self.told[entry.item_id] = _digest(encode(entry.item))

    def news(self, items: Iterable[Item]) -> Iterator[tuple[str, bytes]]:
        """Of the items of the file, those of which something is to be said."""
        for item in items:
            value = encode(item)
            if item.item_id in self.seen:
                self.refused["duplicate"] += 1
            elif len(value) > wire.MAX_BYTES:
                self.refused["too_large"] += 1
            elif self._is_news(item.item_id, _digest(value)):
                yield item.item_id, value
            self.seen.add(item.item_id)

    def _is_news(self, item_id: str, digest: bytes) -> bool:
        told = self.told.get(item_id)
        self.new += told is None
        self.unchanged += told == digest
        self.changed += told not in (None, digest)
        return told != digest

    def missing(self) -> list[str]:
        """The items of which the file says nothing."""
        return sorted(self.told.keys() - self.seen)


def _digest(value: bytes) -> bytes:
    return blake2b(value, digest_size=_DIGEST_BYTES).digest()


@dataclass(frozen=True, slots=True)
class Deletion:
    """Whether what the file does not have is deleted."""

    wanted: bool = False
    #: Also where the file does not look as if it were whole.
    forced: bool = False

    def doubt(self, missing: int, live: int, unreadable: int) -> str | None:
        """Why nothing is deleted although it was asked for; None where nothing speaks against it."""
        if not self.wanted or self.forced or not missing:
            return None
        if missing > _DELETED_SHARE * live:
            return f"{missing} of {live} items are not in the file, more than half"
        if unreadable:
            return (
                f"{missing} items are not in the file, but may be in one of its {unreadable} rows that cannot be read"
            )
        return None


@dataclass(frozen=True, slots=True)
class Loaded:
    """How a load went."""

    new: int
    changed: int
    unchanged: int
    deleted: int
    #: Items that the topic still has and the file has not.
    missing: int
    #: Rows of the file that were not taken, by why.
    refused: dict[str, int]
    #: Fields that could not be read, so that items came without them.
    left_out: dict[str, int]
    #: Why what is missing was not deleted, although that was asked for.
    doubt: str | None


async def load(settings: Settings, file: File, deletion: Deletion, watch: Callable[[str], Told]) -> Loaded:
    """Afterwards the topic says of every item what the file says. KafkaError where not all of it arrived."""
    topic, difference = Topics.named(settings.topic_prefix).catalog, Difference()
    await _read(settings, topic, difference, watch("reading the topic"))
    live = len(difference.told)
    producer = Producer(settings, _DEADLINE_S)
    await producer.start()
    try:
        sending = watch("sending what is new")
        async for _ in _sent(producer, topic, difference.news(file)):
            sending(len(difference.seen), max(live, len(difference.seen)))
        difference.seen |= file.withheld
        missing = difference.missing()
        doubt = deletion.doubt(len(missing), live, file.unreadable)
        gone = missing if deletion.wanted and doubt is None else []
        deleting, deleted = watch("deleting what is missing"), 0
        async for count in _sent(producer, topic, ((item_id, None) for item_id in gone)):
            deleted += count
            deleting(deleted, len(gone))
    finally:
        await producer.stop()
    return Loaded(
        new=difference.new,
        changed=difference.changed,
        unchanged=difference.unchanged,
        deleted=len(gone),
        missing=len(missing) - len(gone),
        refused=dict((difference.refused + file.refused).most_common()),
        left_out=dict(file.left_out.most_common()),
        doubt=doubt,
    )


async def _read(settings: Settings, topic: str, difference: Difference, reading: Told) -> None:
    catalogue, count = Catalogue(settings, topic), 0
    try:
        while not catalogue.caught_up:
            entries = await catalogue.next()
            difference.read(entries)
            count += len(entries)
            reading(count, count)
    finally:
        await catalogue.close()


async def _sent(producer: Producer, topic: str, said: Iterable[tuple[str, bytes | None]]) -> AsyncIterator[int]:
    """How many records have arrived, batch by batch."""
    records = (Outgoing(topic, item_id.encode(), value) for item_id, value in said)
    while batch := list(islice(records, _SENT_AT_ONCE)):
        await producer.send(batch)
        yield len(batch)
