"""Laws of workers that live but do nothing: they notice, say what they were doing, and make room for another."""

from __future__ import annotations

import signal
import time
from dataclasses import replace

import pytest

from tests.kit import topic
from tests.kit.ill import Illness
from tests.kit.shop import Shop
from tests.kit.worker import Worker

SHORT_S = 5


def fall_ill(shop: Shop, illness: Illness, limit_s: int) -> tuple[Worker, float]:
    """A worker at work that falls ill, and has then been sent more clicks; when that was."""
    settings = replace(shop.settings, stall_limit_s=limit_s, block_limit_s=limit_s)
    worker = Worker(shop.guardian, settings, "tests.kit.ill", illness)
    worker.await_assigned()
    shop.send(shop.clicks(40, sessions=40))
    topic.eventually(lambda: shop.sessions_that_differ() == [], "it is at work")
    worker.signal(signal.SIGALRM)
    struck = time.monotonic()
    shop.send(shop.clicks(400, sessions=100))
    return worker, struck


SAYS = {
    Illness.BATCHER_FROZEN: "none of them was acknowledged",
    Illness.PARTITION_PAUSED: "none of them was acknowledged",
    Illness.CLIENT_HUNG: "none of them was acknowledged",
    Illness.LOOP_BLOCKED: "event loop has been blocked",
}


@pytest.mark.chaos
@pytest.mark.timeout(300)
@pytest.mark.parametrize("illness", SAYS)
def test_a_worker_that_lives_but_does_nothing_ends_with_70_and_another_goes_on(shop: Shop, illness: Illness) -> None:
    worker, struck = fall_ill(shop, illness, SHORT_S)

    assert worker.await_end(40) == 70
    print(illness, time.monotonic() - struck)
    said = worker.said()
    print(said)
    assert SAYS[illness] in said
