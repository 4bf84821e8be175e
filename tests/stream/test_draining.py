"""Laws of a worker that is asked to end: at whatever moment, it does, and leaves next to nothing to be done again."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import pytest
from kafka import KafkaAdminClient, TopicPartition

from schemas.click import Click
from stream.app import SHUTDOWN_MAX_S
from tests.kit import topic
from tests.kit.shop import Shop

_PART = 50


@dataclass
class Crowd:
    """Shoppers that go on clicking whatever happens to the workers."""

    shop: Shop
    clicks: list[Click]

    @contextmanager
    def clicking(self) -> Iterator[None]:
        enough = threading.Event()

        def click() -> None:
            for at in range(0, len(self.clicks), _PART):
                if enough.wait(0.02):
                    return
                self.shop.send(self.clicks[at : at + _PART])

        thread = threading.Thread(target=click)
        thread.start()
        try:
            yield
        finally:
            enough.set()
            thread.join()

    def folded(self) -> dict[int, int]:
        """By partition: how many of its records changed a session, which is how far the fold has come."""
        raws = topic.read_all(self.shop.settings.kafka, self.shop.names.clickstream)
        homes = {raw.key.decode(): raw.partition for raw in raws if raw.key is not None}
        lanes: dict[int, list[Click]] = {}
        for click in self.clicks:
            if click.session_id in homes:
                lanes.setdefault(homes[click.session_id], []).append(click)
        return {number: self.shop.folded(lane) for number, lane in lanes.items()}

    def sent(self) -> int:
        return len(topic.read_all(self.shop.settings.kafka, self.shop.names.clickstream))

    def committed(self) -> dict[int, int]:
        group = self.shop.settings.group
        lanes = [TopicPartition(self.shop.names.clickstream, number) for number in range(4)]
        admin = KafkaAdminClient(bootstrap_servers=self.shop.settings.kafka)
        try:
            found = admin.list_group_offsets({group: lanes})[group]
        finally:
            admin.close()
        return {lane.partition: max(0, found[lane].offset) for lane in lanes if lane in found}


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("times", [3, 20], ids=["three times", "twenty times"])
def test_a_worker_that_is_asked_to_end_at_any_moment_leaves_at_most_one_batch_to_be_done_again(
    shop: Shop, times: int
) -> None:
    seed = secrets.randbits(32)
    print(f"\nseed {seed}")
    chance = random.Random(seed)
    crowd = Crowd(shop, shop.clicks(times * 1_500, sessions=100))
    again: list[int] = []
    unread: list[int] = []
    took_s: list[float] = []
    with crowd.clicking():
        for _ in range(times):
            worker = shop.worker()
            worker.await_assigned()
            goal = shop.folded(crowd.clicks) + chance.randrange(1, 500)
            topic.eventually(partial(shop.has_folded, crowd.clicks, goal), "it is at work", 60, every_s=0.01)
            time.sleep(chance.random())
            asked = time.monotonic()
            assert worker.stop() == 0, worker.said()
            took_s.append(time.monotonic() - asked)
            committed, folded = crowd.committed(), crowd.folded()
            left = {number: count - committed.get(number, 0) for number, count in folded.items()}
            assert min(left.values()) >= 0, f"committed what is not folded: {left}"
            again.append(sum(left.values()))
            unread.append(crowd.sent() - sum(folded.values()))
    print(f"done again {again} of {unread} unread, ended after {[round(each, 1) for each in took_s]} s")

    assert max(unread) > 0, "a worker that has nothing to do is easily ended"
    assert max(again) <= shop.settings.batch_max
    assert max(took_s) <= SHUTDOWN_MAX_S + 1
    last = shop.worker()
    topic.eventually(lambda: shop.sessions_that_differ() == [], "every session is the fold of the topic", 180)
    assert last.stop() == 0


def test_a_worker_that_is_asked_to_end_before_it_has_begun_ends_as_well(shop: Shop) -> None:
    worker = shop.worker()
    topic.eventually(lambda: "topic epoch" in worker.said(), "it starts")

    assert worker.stop() == 0
