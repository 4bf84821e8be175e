"""Laws of readiness and liveness."""

from __future__ import annotations

import json
from typing import Any

from serving.state.probes import Answer
from stream.health import UNWATCHED_S, Health, State
from stream.progress import Heard, Lane


def lane(lag: int | None, behind_s: float) -> Lane:
    return Lane(2, 0, 0, None, None, Heard(), lag, behind_s)


class Told:
    """A health with a clock of its own."""

    def __init__(self, *lanes: Lane) -> None:
        self.now_s = 0.0
        self.health = Health(10, lambda: self.now_s)
        if lanes:
            self.tell(*lanes)

    def tell(self, *lanes: Lane, degraded: tuple[str, ...] = ()) -> None:
        self.health.tell(State(lanes, "m1", degraded))


def said(answer: Answer) -> tuple[int, dict[str, Any]]:
    return answer.status, json.loads(answer.body)


def test_a_worker_is_not_ready_before_it_has_caught_up_once() -> None:
    told = Told()
    assert said(told.health.ready())[0] == 503

    told.health.tell(State(None, "m1", ()))
    assert said(told.health.ready())[0] == 503, "nothing is assigned"
    told.tell(lane(None, 0.0))
    assert said(told.health.ready())[0] == 503, "nobody knows what waits"
    told.tell(lane(5_000, 10.1))
    assert said(told.health.ready())[0] == 503, "too far behind"

    told.tell(lane(5_000, 10.0))
    assert said(told.health.ready())[0] == 200


def test_once_ready_it_says_what_it_lacks_and_stays_ready() -> None:
    told = Told(lane(0, 0.0))

    told.tell(lane(700, 44.4444), degraded=("kafka", "redis"))
    assert said(told.health.ready()) == (
        200,
        {
            "ready": True,
            "draining": False,
            "assigned": True,
            "caught_up": False,
            "model": "m1",
            "degraded": ["kafka", "redis"],
            "partitions": [{"partition": 2, "lag": 700, "behind_s": 44.444}],
        },
    )
    told.health.tell(State(None, "m1", ()))
    assert said(told.health.ready())[0] == 200, "a rebalance is no reason to take it out"


def test_a_worker_without_partitions_stands_by() -> None:
    told = Told()

    told.tell()

    assert said(told.health.ready())[0] == 200


def test_a_worker_that_drains_is_not_ready_and_lives() -> None:
    told = Told(lane(0, 0.0))

    told.health.draining.set()
    told.now_s += 10 * UNWATCHED_S

    status, body = said(told.health.ready())
    assert (status, body["ready"], body["draining"]) == (503, False, True)
    assert said(told.health.live()) == (200, {"live": True})


def test_a_worker_lives_from_its_start_as_long_as_somebody_watches_it() -> None:
    told = Told()
    told.now_s = 1_000
    assert said(told.health.live()) == (200, {"live": True}), "it starts"

    told.tell(lane(0, 0.0))
    told.now_s += UNWATCHED_S
    assert said(told.health.live())[0] == 200
    told.now_s += 0.1
    assert said(told.health.live()) == (503, {"live": False})
