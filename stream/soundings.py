"""Where each log ends: by the word of the worker's own client, which is free; where that is old, by asking Kafka."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from schemas.errors import KafkaError
from stream.progress import Heard

log = logging.getLogger(__name__)

#: Between two questions. Each opens a connection of its own, so that a client that is stuck cannot be in the way.
ASK_EVERY_S: Final = 5.0


class Knows(Protocol):
    """The worker's own client, as far as it tells without having to do anything."""

    def heard(self) -> Mapping[int, Heard]: ...


#: From partitions to their log ends; KafkaError when Kafka does not answer within a few seconds.
Asks = Callable[[Sequence[int]], Mapping[int, int]]


class Soundings:
    def __init__(self, client: Knows, ask: Asks) -> None:
        self._client = client
        self._ask = ask
        self._asked_at: float | None = None
        self._answers: dict[int, tuple[int, int]] = {}
        #: Since when Kafka has not answered us; None while it does, or was not asked.
        self.silent_since: float | None = None

    def heard(self) -> dict[int, Heard]:
        return {number: self._newest(number, heard) for number, heard in self._client.heard().items()}

    def is_due(self, now: float) -> bool:
        return self._asked_at is None or now - self._asked_at >= ASK_EVERY_S

    def ask(self, partitions: Sequence[int], now: float, now_ms: int) -> None:
        self._asked_at = now
        try:
            ends = self._ask(partitions)
        except KafkaError as error:
            if self.silent_since is None:
                self.silent_since = now
                log.warning("Kafka was asked for the ends of the log: %s", error)
        else:
            self.silent_since = None
            self._answers = {number: (end, now_ms) for number, end in ends.items()}

    def _newest(self, number: int, heard: Heard) -> Heard:
        end, at = self._answers.get(number, (0, 0))
        return heard if at <= (heard.end_at or 0) else replace(heard, end=end, end_at=at)
