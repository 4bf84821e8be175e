"""A catalogue as its followers are told it, without a broker."""

from __future__ import annotations

import asyncio

from schemas.errors import KafkaError
from schemas.item import Entry, Item
from tests.worlds import name


class Topic:
    """What the catalogue says, to whoever reads it: first what is there, then what comes."""

    def __init__(self) -> None:
        self.there: list[Entry] = []
        self.away = 0
        self.readers: list[Reader] = []

    def follow(self) -> Reader:
        self.readers.append(Reader(self))
        return self.readers[-1]

    def hide(self, *items: int) -> None:
        self.there += [Entry(name(item), Item(item_id=name(item), available=False)) for item in items]


class Reader:
    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.at = 0
        self.end: int | None = None
        self.closed = False

    @property
    def caught_up(self) -> bool:
        return self.end is not None and self.at >= self.end

    async def next(self) -> list[Entry]:
        assert not self.closed
        await asyncio.sleep(0)
        if self.topic.away:
            self.topic.away -= 1
            raise KafkaError("away")
        self.end = len(self.topic.there) if self.end is None else self.end
        found = self.topic.there[self.at : self.at + 2]
        self.at += len(found)
        return found

    async def close(self) -> None:
        self.closed = True
