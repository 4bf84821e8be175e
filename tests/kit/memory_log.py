"""A topic on paper: records at offsets of the test's choosing, answered for as serving.state's Log answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.errors import InvariantError, KafkaError


class MemoryLog:
    """Of each partition, offset -> record time. `starts`, `since` and `next` are those of the Log."""

    def __init__(self, records: Mapping[int, Mapping[int, int]] | None = None) -> None:
        self.records = {partition: dict(times) for partition, times in (records or {}).items()}
        self.firsts: dict[int, int] = {}
        self.is_another = False
        self.asked = 0
        #: How often it is to be away first.
        self.fails = 0

    async def starts(self, partitions: Sequence[int]) -> dict[int, int]:
        if self.fails:
            self.fails -= 1
            raise KafkaError("away")
        return {partition: self.firsts.get(partition, 0) for partition in partitions}

    async def since(self, times: Mapping[int, int]) -> dict[int, int]:
        found = {at: [offset for offset, time in self.records[at].items() if time >= ms] for at, ms in times.items()}
        return {partition: min(offsets) for partition, offsets in found.items() if offsets}

    async def next(self, partition: int, offset: int) -> int:
        self.asked += 1
        return min(each for each in self.records[partition] if each >= offset)

    async def same_topic(self) -> None:
        if self.is_another:
            raise InvariantError("the topic was made anew")

    def delete(self, partition: int, before: int) -> None:
        """As DeleteRecords and retention do."""
        self.firsts[partition] = before
        self.records[partition] = {at: time for at, time in self.records[partition].items() if at >= before}
