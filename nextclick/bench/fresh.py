"""From the moment a click is due to a subscriber's receipt of the first list that knows it.

Open loop: when a click is due follows from the rate alone, so that a slow worker shows as lateness and never as fewer
clicks. Sender and subscriber are one thread of this process, beside the worker on the same machine.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from math import ceil, inf
from typing import Final

import aiokafka.errors
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import RecordMetadata

from nextclick.answers import PATIENCE_S, Answers
from nextclick.bench import shoppers
from nextclick.bench.latencies import Latencies
from nextclick.bench.trial import Trial
from schemas import click as wire
from schemas.click import Click
from schemas.errors import KafkaError, NextclickError
from serving.state.access import access

#: Before anything is measured: whatever of the worker is compiled or remembered at its first use has been used by then.
WARMING_S: Final = 3
_NAP_S: Final = 0.02
#: From a worker's start to its first list.
_READY_S: Final = 60.0


def sessions(rates: Sequence[int], seconds: int, warming_s: int = WARMING_S) -> int:
    """Shoppers who together click often enough for so long, whatever chance makes of them."""
    return ceil(1.2 * (warming_s * max(rates) + sum(rates) * seconds) / shoppers.LENGTH_MEAN) + 20


def measure(
    trial: Trial, clicks: Iterator[Click], rates: Sequence[int], seconds: int, warming_s: int = WARMING_S
) -> list[Latencies]:
    """Each rate for so many seconds, one after another, by one worker."""
    trial.begin()

    async def whole() -> list[Latencies]:
        async with _storefront(trial) as storefront:
            await storefront.ring(next(clicks))
            await storefront.play(clicks, max(rates), warming_s)
            return [await storefront.play(clicks, rate, seconds) for rate in rates]

    # epoll wakes up to a millisecond late, which would be told of the worker.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        try:
            return runner.run(whole())
        except aiokafka.errors.KafkaError as error:
            raise KafkaError(
                f"Kafka at {trial.settings.kafka} fails ({error}); `nextclick doctor` says more"
            ) from error


@asynccontextmanager
async def _storefront(trial: Trial) -> AsyncIterator[_Storefront]:
    reached = access(trial.settings)
    producer = AIOKafkaProducer(**reached, acks="all", linger_ms=0)
    consumer = AIOKafkaConsumer(**reached, enable_auto_commit=False, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(trial.names.recommendations, at) for at in range(trial.settings.partitions)])
    async with producer, consumer:
        storefront = _Storefront(trial, producer)
        listening = asyncio.create_task(storefront.listen(consumer))
        try:
            yield storefront
        finally:
            listening.cancel()


class _Storefront:
    """Clicks go out, lists come in."""

    def __init__(self, trial: Trial, producer: AIOKafkaProducer) -> None:
        self._trial = trial
        self._producer = producer
        self._answers = Answers(window=None)

    async def listen(self, consumer: AIOKafkaConsumer) -> None:
        async for message in consumer:
            self._answers.received(message.value, time.perf_counter())

    async def ring(self, click: Click) -> None:
        """Returns when the worker answers."""
        now_s = time.perf_counter()
        await self._click(click, now_s)
        while not self._answers.answered:
            self._trial.check()
            if time.perf_counter() - now_s > _READY_S:
                raise NextclickError(f"no list came within {_READY_S:g} s; `nextclick doctor` says what is wrong")
            await asyncio.sleep(_NAP_S)

    async def play(self, clicks: Iterator[Click], rate: int, seconds: int) -> Latencies:
        self._answers = Answers(window=None)
        start_s, sent = time.perf_counter(), []
        for number, click in enumerate(islice(clicks, rate * seconds)):
            due_s = start_s + number / rate
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            sent.append(await self._click(click, due_s))
        await asyncio.gather(*sent)
        await self._await_last()
        return Latencies(rate, [1_000 * latency_s for latency_s in self._answers.latencies_s(now=inf)])

    async def _click(self, click: Click, due_s: float) -> asyncio.Future[RecordMetadata]:
        self._answers.sent(click.session_id, due_s)
        value = wire.encode(shoppers.at(click, time.time_ns() // 1_000_000))
        key = click.session_id.encode()
        future: asyncio.Future[RecordMetadata] = await self._producer.send(self._trial.names.clickstream, value, key)
        future.add_done_callback(partial(self._placed, self._answers, click.session_id, due_s))
        return future

    @staticmethod
    def _placed(answers: Answers, session_id: str, due_s: float, future: asyncio.Future[RecordMetadata]) -> None:
        if not future.cancelled() and future.exception() is None:
            answers.placed(session_id, future.result().offset, due_s)

    async def _await_last(self) -> None:
        deadline_s = time.perf_counter() + PATIENCE_S
        while self._answers.waiting and time.perf_counter() < deadline_s:
            self._trial.check()
            await asyncio.sleep(_NAP_S)
