"""The demo's shop: clicks go out on one thread, lists come in on another, and both are written down.

The first click is the bell: it is sent at once and says when the worker answers at all. It is not among
those whose latency counts, and the others only follow once it has been answered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count
from typing import Final, Self

import kafka.errors
from kafka import KafkaConsumer, TopicPartition
from msgspec.structs import replace

from nextclick.answers import Answers
from nextclick.live import Board, Figures
from nextclick.producer import ClickProducer
from schemas import click as wire
from schemas.click import Click
from schemas.errors import KafkaError
from schemas.settings import Settings
from schemas.topics import Topics
from schemas.wire import EpochMs
from serving.state.access import access

_POLL_MS: Final = 200
_NAP_S: Final = 0.2
_STOP_S: Final = 3.0
#: How often sessions long over are dropped.
_SWEEP_S: Final = 30.0


class Shop:
    """`with Shop(...) as shop:` clicks flow until the block ends; `failure` says if they no longer do."""

    def __init__(self, settings: Settings, clicks: Iterator[Click], rate: float, board: Board) -> None:
        self._settings = settings
        self._names = Topics.named(settings.topic_prefix)
        self._clicks = clicks
        self._rate = rate
        self._lock = threading.Lock()
        self._answered, self._closing, self._stop = threading.Event(), threading.Event(), threading.Event()
        self.answers, self.board = Answers(), board
        self.failure: Exception | None = None
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=work.__name__, daemon=True)
            for work in (self._receive, self._send)
        ]

    def __enter__(self) -> Self:
        self._start_s = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(_STOP_S)

    @property
    def is_open(self) -> bool:
        """The worker has answered the bell."""
        return self._answered.is_set()

    def close_doors(self) -> None:
        """No more clicks; lists still come in."""
        self._closing.set()
        self._threads[1].join(_STOP_S)

    def figures(self) -> Figures:
        now = time.monotonic()
        with self._lock:
            answers = self.answers
            return Figures(
                running_s=now - self._start_s,
                active=self.board.active(now),
                clicks=answers.clicks,
                answered=answers.answered,
                waiting=answers.waiting,
                unanswered=answers.unanswered(now),
                clicks_per_s=self.board.clicks.per_s(now),
                lists_per_s=self.board.lists.per_s(now),
                p50_s=answers.latency_s(0.50, now),
                p99_s=answers.latency_s(0.99, now),
            )

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a thread's outermost edge; the main thread raises it again
            self.failure = self.failure or error

    def _send(self) -> None:
        with ClickProducer(self._settings, self._names.clickstream) as producer:
            self._ring(producer, next(self._clicks))
            start_s = time.monotonic()
            for number in count():
                due_s = start_s + number / self._rate
                if not self._is_due(due_s):
                    break
                self._click(producer, next(self._clicks), due_s)
            producer.drain(_STOP_S)

    def _ring(self, producer: ClickProducer, bell: Click) -> None:
        now_s = time.monotonic()
        with self._lock:
            self.answers.known(bell.session_id, now_s)
            self.board.clicked(bell, now_s)
        producer.send(bell.session_id.encode(), _now(bell))
        while not self._answered.wait(_NAP_S) and not self._stop.is_set():
            producer.look()

    def _click(self, producer: ClickProducer, click: Click, due_s: float) -> None:
        with self._lock:
            self.answers.sent(click.session_id, due_s)
            self.board.clicked(click, due_s)
        producer.send(click.session_id.encode(), _now(click), delivered=partial(self._placed, click.session_id, due_s))

    def _placed(self, session_id: str, due_s: float, partition: int, offset: int, record_time: int) -> None:
        with self._lock:
            self.answers.placed(session_id, offset, due_s)

    def _is_due(self, due_s: float) -> bool:
        """Waits until then; False when no click shall follow any more."""
        while not (self._stop.is_set() or self._closing.is_set()):
            left_s = due_s - time.monotonic()
            if left_s <= 0:
                return True
            self._closing.wait(min(left_s, _NAP_S))
        return False

    def _receive(self) -> None:
        topic, swept_s = self._names.recommendations, time.monotonic()
        with ExitStack() as ends:
            consumer = _consumer(self._settings)
            ends.callback(consumer.close)
            lanes = [TopicPartition(topic, partition) for partition in range(self._settings.partitions)]
            consumer.assign(lanes)
            consumer.seek_to_beginning(*lanes)
            while not self._stop.is_set():
                for records in consumer.poll(timeout_ms=_POLL_MS).values():
                    for record in records:
                        self._note(record.value)
                if time.monotonic() - swept_s > _SWEEP_S:
                    swept_s = time.monotonic()
                    with self._lock:
                        self.answers.forget(swept_s)

    def _note(self, body: bytes) -> None:
        now_s = time.monotonic()
        with self._lock:
            found = self.answers.received(body, now_s)
            if found is not None:
                self.board.recommended(found, now_s)
                self._answered.set()


def _now(click: Click) -> bytes:
    return wire.encode(replace(click, ts=EpochMs(time.time_ns() // 1_000_000)))


def _consumer(settings: Settings) -> KafkaConsumer:
    try:
        return KafkaConsumer(
            **access(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=settings.fetch_wait_ms,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )
    except kafka.errors.KafkaError as error:
        raise KafkaError(f"Kafka at {settings.kafka} serves no lists: {error}; `nextclick doctor` says more") from error
