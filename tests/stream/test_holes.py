"""Laws of the clickstream's offsets on a real Kafka: holes are stepped over, losses told, nothing else is skipped."""

from __future__ import annotations

from functools import partial
from typing import Final

import pytest

from serving.state import topics
from tests.kit import topic
from tests.kit.crew import STALE
from tests.kit.defects import Defect
from tests.kit.shop import Shop
from tests.kit.worker import summed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_WITHIN_S: Final = 120.0
HOLES, LOST = "nextclick_offset_holes_total", "nextclick_lost_records_total"


@pytest.mark.needs("idempotent_async")
def test_holes_that_transactions_leave_are_stepped_over_counted_and_committed(shop: Shop) -> None:
    clicks = shop.clicks(60, sessions=6)
    first = shop.worker()
    first.await_assigned()

    topic.produce_one_by_one(shop.settings.kafka, shop.names.clickstream, clicks)

    topic.eventually(partial(shop.has_folded, clicks, 60), "all are folded", _WITHIN_S)
    assert shop.sessions_that_differ() == []
    raws = topic.read_all(shop.settings.kafka, shop.names.clickstream)
    last = {raw.partition: raw.offset for raw in raws}
    assert first.metrics()[HOLES] == sum(last.values()) + len(last) - 60, "one before each record but the first"
    assert first.stop() == 0

    second = shop.worker()
    second.await_assigned()
    more = shop.clicks(20, sessions=20)
    topic.produce_one_by_one(shop.settings.kafka, shop.names.clickstream, more)

    topic.eventually(partial(shop.has_folded, more, 20), "the next go on from there", _WITHIN_S)
    assert summed(second.metrics(), STALE) == 0, "what was committed is not read again"
    assert shop.sessions_that_differ() == []
    assert second.stop() == 0


@pytest.mark.chaos
@pytest.mark.needs("strict")
def test_records_that_are_deleted_are_told_as_lost_unless_they_were_folded(shop: Shop) -> None:
    folded = shop.clicks(40, sessions=40)
    first = shop.worker()
    first.await_assigned()
    shop.send(folded)
    topic.eventually(partial(shop.has_folded, folded, 40), "the first are folded", _WITHIN_S)
    topic.delete_records(shop.settings, shop.names.clickstream, ends(shop))
    following = shop.clicks(40, sessions=40)
    shop.send(following)
    topic.eventually(partial(shop.has_folded, following, 40), "what comes after is folded", _WITHIN_S)
    assert first.metrics()[LOST] == 0
    assert first.stop() == 0
    read = ends(shop)
    shop.send(shop.clicks(200, sessions=40))
    topic.delete_records(shop.settings, shop.names.clickstream, {at: end - 3 for at, end in ends(shop).items()})

    second = shop.worker()

    topic.eventually(
        lambda: second.metrics().get(LOST, 0) == sum(ends(shop).values()) - sum(read.values()) - 3 * len(read),
        "all but the last three of each partition are told",
        _WITHIN_S,
    )
    after = shop.clicks(40, sessions=40)
    shop.send(after)
    topic.eventually(partial(shop.has_folded, after, 40), "what comes after is folded", _WITHIN_S)
    assert "left Kafka before they were folded" in second.said()
    assert second.stop() == 0


def test_a_consumer_that_steps_over_records_ends_the_worker_and_the_next_one_folds_them(shop: Shop) -> None:
    clicks = shop.clicks(80, sessions=8)
    shop.send(clicks)

    skipping = shop.worker(*Defect.HASTY.module)

    assert skipping.await_end(_WITHIN_S) == 70
    assert "offset 0 was expected, 3 was delivered, and Kafka holds a record at 0" in skipping.said()
    assert shop.folded(clicks) == 0

    after = shop.worker()
    topic.eventually(lambda: shop.sessions_that_differ() == [], "nothing is lost", _WITHIN_S)
    assert after.stop() == 0


@pytest.mark.chaos
@pytest.mark.needs("strict")
def test_a_topic_that_is_made_anew_under_a_worker_ends_it_and_the_next_one_reads_it_whole(shop: Shop) -> None:
    clicks = shop.clicks(80, sessions=8)
    worker = shop.worker()
    worker.await_assigned()
    shop.send(clicks)
    topic.eventually(partial(shop.has_folded, clicks, 80), "folded", _WITHIN_S)

    topic.delete(shop.settings, shop.names.clickstream)
    topic.eventually(lambda: shop.names.clickstream in topics.missing(shop.settings, 30), "it is gone", _WITHIN_S)
    topics.create(shop.settings, 30)
    shop.epoch = topics.epoch(shop.settings, shop.names.clickstream, 30)
    anew = shop.clicks(40, sessions=40)
    shop.send(anew)

    assert worker.await_end(_WITHIN_S) == 70
    assert "was made anew" in worker.said()
    assert shop.epoch in worker.said()
    after = shop.worker()
    topic.eventually(lambda: shop.sessions_that_differ() == [], "the new topic is folded whole", _WITHIN_S)
    assert after.stop() == 0


def ends(shop: Shop) -> dict[int, int]:
    """Partition -> the offset after its last record."""
    last = {raw.partition: raw.offset for raw in topic.read_all(shop.settings.kafka, shop.names.clickstream)}
    return {partition: last.get(partition, -1) + 1 for partition in range(shop.settings.partitions)}
