"""A bounded wait at start for the services that a verb stands on, which says what it waits for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from nextclick.terminal import say
from schemas.errors import KafkaError, ServiceError
from schemas.settings import Settings
from serving.state import broker, probe, topics

#: The first attempt, before which nobody is told of any waiting, and each later one.
_FIRST_S: Final = 1.0
_ATTEMPT_S: Final = 3.0
_PAUSE_S: Final = 0.5

Ask = Callable[[float], object]


def await_services(
    settings: Settings, wait_s: float, *, wanted: Iterable[str], redis: bool = True, joins: bool = False
) -> None:
    """Returns once Kafka has the `wanted` topics, lets us join the group where it is to, and Redis answers.

    After `wait_s` it raises the last ServiceError.
    """
    if redis:
        wait_s = _await("Redis", lambda timeout_s: probe.redis(settings.redis, timeout_s), wait_s)
    wait_s = _await("Kafka", lambda timeout_s: _kafka(settings, set(wanted), timeout_s), wait_s)
    # Of a Kafka that asks nobody who he is there is nothing to be feared.
    if joins and settings.kafka_security != "plaintext":
        _await("Kafka", lambda timeout_s: broker.member(settings, timeout_s), wait_s)


def _kafka(settings: Settings, wanted: set[str], timeout_s: float) -> None:
    lacking = topics.missing(settings, timeout_s, wanted)
    if lacking:
        raise KafkaError(f"Kafka at {settings.kafka} has no topic {', '.join(lacking)}; run `nextclick topics create`")


def _await(name: str, ask: Ask, wait_s: float) -> float:
    """The seconds that are left of `wait_s` once the service answers."""
    try:
        ask(_FIRST_S)
        return wait_s
    except ServiceError as error:
        said = str(error)
    say(f"waiting for {name}, {wait_s:g} s at most: {said}")
    deadline = time.monotonic() + wait_s
    while (left_s := deadline - time.monotonic()) > 0:
        time.sleep(min(_PAUSE_S, left_s))
        try:
            ask(_ATTEMPT_S)
            return max(0.0, deadline - time.monotonic())
        except ServiceError as error:
            if str(error) != said:
                said = str(error)
                say(f"still waiting for {name}: {said}")
    raise ServiceError(said)
