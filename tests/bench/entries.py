"""What is measured side by side: the worker, the worker with something left out, and what one would write instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from kafka import KafkaConsumer, TopicPartition

from nextclick.bench import worker
from nextclick.bench.counts import Counts
from nextclick.bench.trial import Module, Trial
from nextclick.bench.worker import Throughput
from nextclick.worker import STREAM
from schemas.settings import Settings

STRAIGHT: Final = ("tests.bench.straight",)
ECHO: Final = ("tests.bench.echo",)
FOLD: Final = ("tests.bench.launch", "fold")
EACH: Final = ("tests.bench.launch", "each")


def measured(settings: Settings, module: Module, sessions: int) -> Throughput:
    with Trial(settings, module) as trial, _reading(trial, module) as read:
        return worker.measure(trial, trial.clicks(sessions), read)


@contextmanager
def _reading(trial: Trial, module: Module) -> Iterator[Callable[[], Counts]]:
    """What serves no metrics is counted by what it sends: a list an event."""
    if module in (STREAM, FOLD, EACH):
        yield trial.counts
        return
    consumer = KafkaConsumer(bootstrap_servers=trial.settings.kafka)
    lanes = [TopicPartition(trial.names.recommendations, number) for number in range(trial.settings.partitions)]

    def sent() -> Counts:
        lists = sum(consumer.end_offsets(lanes).values())
        return Counts(events=lists, lists=lists)

    try:
        yield sent
    finally:
        consumer.close()
