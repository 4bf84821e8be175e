"""Records on their way to a topic at a given pace, from a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from math import inf
from typing import Final, Self

from kafka import KafkaProducer

from schemas.click import Click, encode

Message = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]

#: Records are sent in bursts of so much time, so that the sender seldom sleeps.
_BURST_S: Final = 0.02
#: However long a test keeps its broker from answering.
_DELIVERY_S: Final = 120.0
#: A broker that returns is found at once; by itself the client would wait for up to 30 s.
_RECONNECT_MAX_MS: Final = 500


def message(click: Click) -> Message:
    return click.session_id.encode(), encode(click), ()


class Load:
    """Open loop: whether anybody keeps up with it is none of its business."""

    def __init__(self, servers: str, topic: str, messages: Iterable[Message], rate: float = inf) -> None:
        self._servers = servers
        self._topic = topic
        self._messages = messages
        self._rate = rate
        self._failures: list[Exception] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        #: So far; what the producer was given, and what Kafka has.
        self.sent = 0
        self.taken = 0

    def start(self) -> Self:
        self._thread.start()
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Before the messages are at their end."""
        self._stopped.set()

    def finish(self) -> None:
        """Returns when Kafka has every record that was sent; an error when it has refused one."""
        self._thread.join()
        if self._failures:
            raise self._failures[0]
        assert self.taken == self.sent, f"Kafka has said of {self.taken} of {self.sent} records that it has them"

    def _run(self) -> None:
        producer = KafkaProducer(bootstrap_servers=self._servers, acks="all",
                                 reconnect_backoff_max_ms=_RECONNECT_MAX_MS)  # fmt: skip
        try:
            started = time.monotonic()
            for key, value, headers in self._messages:
                ahead_s = started + self.sent / self._rate - time.monotonic()
                if self._stopped.wait(ahead_s) if ahead_s > _BURST_S else self._stopped.is_set():
                    break
                sending = producer.send(self._topic, key=key, value=value, headers=list(headers))
                sending.add_callback(self._take)
                sending.add_errback(self._failures.append)
                self.sent += 1
            producer.flush(_DELIVERY_S)
        except Exception as error:  # noqa: BLE001 - the edge of the thread; `finish` raises it
            self._failures.append(error)
        finally:
            producer.close(_DELIVERY_S)

    def _take(self, _: object) -> None:
        self.taken += 1  # in the producer's one thread
