"""Laws of a worker that was frozen for so long that others took its partitions, and then wakes."""

from __future__ import annotations

import signal

import pytest

from schemas.topics import OP_ERASE, OP_HEADER
from tests.kit import topic
from tests.kit.flow import Flow
from tests.kit.shop import Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.chaos
def test_a_frozen_worker_that_wakes_doubles_no_event_and_brings_back_no_erased_session(shop: Shop) -> None:
    flow = Flow(shop)
    frozen = flow.worker

    with flow.flowing():
        frozen.signal(signal.SIGSTOP)
        erased = flow.sent[0].session_id
        topic.produce(shop.settings.kafka, shop.names.clickstream, [(erased.encode(), None, [(OP_HEADER, OP_ERASE)])])
        successor = shop.worker()
        flow.await_more()
        frozen.signal(signal.SIGCONT)
        flow.await_more()

    flow.await_caught_up()
    flow.await_whole()
    assert successor.stop() == 0
    assert frozen.stop() == 0
