"""S7: what cannot be read has its letter, each and once, and the clicks around it neither suffer nor wait."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence

import pytest

from schemas.click import Click
from schemas.topics import DEAD_OFFSET, DEAD_PARTITION
from tests.chaos import broken
from tests.kit import poison, topic
from tests.kit.crew import HANDLED
from tests.kit.group import watched
from tests.kit.load import Load, Message, message
from tests.kit.shop import Shop, beside
from tests.kit.topic import Raw
from tests.kit.traffic import Traffic
from tests.kit.worker import Worker

LITTLE = Traffic(seed=9, events=3_000, sessions=100)
MUCH = Traffic(seed=9, events=50_000, sessions=1_000)
SHARE = 0.01
BURST = 500
GRACE_S = 240.0
#: Of the records that a worker without poison handles in the same time, beside it.
KEEPS_UP = 0.95

#: Where a record lies, what it was, and its bytes.
Letters = Counter[tuple[int, int, bytes | None, bytes | None]]


def test_every_poisoned_record_has_its_letter_and_every_good_one_its_place(shop: Shop) -> None:
    _play(shop, LITTLE, burst=50)

    assert _buried(shop) == _poisoned(shop)
    assert shop.verdict().is_whole


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_a_worker_that_drops_letters_is_caught(shop: Shop) -> None:
    _play(shop, LITTLE, burst=50, module=broken.module("careless"))

    assert shop.verdict().is_whole, "it folds all the same"
    assert _buried(shop) != _poisoned(shop)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_poison_costs_hardly_any_throughput(shop: Shop) -> None:
    pure = beside(shop)
    workers = [each.worker() for each in (shop, pure)]
    for worker in workers:
        worker.await_assigned()
    with (
        _load(shop, _sprinkled(shop, MUCH, BURST)) as poison_load,
        _load(pure, map(message, _clicks(pure, MUCH))) as load,
    ):
        poisoned, clean = _race(workers, [poison_load, load])
        poison_load.finish()
        load.finish()
    for each in (shop, pure):
        _drain(each)
    for worker in workers:
        assert worker.stop() == 0
    found = Counter(kind.decode() for raw in _sources(shop) for name, kind in raw.headers if name == poison.MARK)
    print(
        f"\nseed {MUCH.seed}: {MUCH.events:,} events, of them {SHARE:.0%} and {BURST} in a row poisoned, "
        f"{found.total():,} of {len(found)} kinds; {poisoned:,} records handled while {clean:,} were without poison, "
        f"{poisoned / clean:.1%}; {_buried(shop).total():,} letters; {shop.verdict()}"
    )
    assert len(found) == 12
    assert _buried(shop) == _poisoned(shop)
    assert shop.verdict().is_whole
    assert pure.verdict().is_whole
    assert poisoned >= KEEPS_UP * clean


def _play(shop: Shop, traffic: Traffic, burst: int, module: Sequence[str] = ()) -> None:
    worker = shop.worker(*module)
    worker.await_assigned()
    with _load(shop, _sprinkled(shop, traffic, burst)) as load:
        load.finish()
    _drain(shop)
    assert worker.stop() == 0


def _clicks(shop: Shop, traffic: Traffic) -> list[Click]:
    return traffic.clicks(shop.settings.group, time.time_ns() // 1_000_000)


def _load(shop: Shop, messages: Iterable[Message]) -> Load:
    return Load(shop.settings.kafka, shop.names.clickstream, messages)


def _sprinkled(shop: Shop, traffic: Traffic, burst: int) -> list[Message]:
    return list(poison.sprinkled(_clicks(shop, traffic), traffic.seed, SHARE, burst))


def _drain(shop: Shop) -> None:
    with watched(shop.settings) as group:
        topic.eventually(lambda: group.lag() == 0 and shop.owed() == 0, "all is done", GRACE_S)


def _race(workers: Sequence[Worker], loads: Sequence[Load]) -> tuple[int, int]:
    """How many records each has handled when the first of them is done."""
    handled = [0, 0]
    while True:
        handled = [max(before, round(worker.metrics().get(HANDLED, 0)))
                   for before, worker in zip(handled, workers, strict=True)]  # fmt: skip
        if any(load.is_over and count >= load.sent for count, load in zip(handled, loads, strict=True)):
            return handled[0], handled[1]
        time.sleep(0.1)


def _sources(shop: Shop) -> list[Raw]:
    raws = topic.read_all(shop.settings.kafka, shop.names.clickstream, GRACE_S)
    return [raw for raw in raws if any(name == poison.MARK for name, _ in raw.headers)]


def _poisoned(shop: Shop) -> Letters:
    return Counter((raw.partition, raw.offset, raw.key, raw.value) for raw in _sources(shop))


def _buried(shop: Shop) -> Letters:
    """By where each came from: a letter that was sent again counts once."""
    letters = topic.read_all(shop.settings.kafka, shop.names.dead, GRACE_S)
    return Counter(
        {(int(headers[DEAD_PARTITION]), int(headers[DEAD_OFFSET]), letter.key, letter.value)
         for letter in letters for headers in [dict(letter.headers)]}
    )  # fmt: skip
