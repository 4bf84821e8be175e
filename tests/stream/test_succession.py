"""One bundle follows another under a worker that goes on ranking: no list is of both, and none waits for it."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from kafka import KafkaProducer

from nextclick.bench import conditions
from schemas import recommendation
from schemas.click import encode
from schemas.errors import BundleError
from schemas.recommendation import PUBLISHED, Item, Reason, Recommendation
from schemas.session import Session
from serving.ranking.ranker import NOT_FINITE, Ranked
from serving.state import bundles, folder
from serving.state.succession import Succession
from stream.ranking import Ranks
from tests.kit import topic
from tests.kit.bundles import publish
from tests.kit.diary import Diary, Worker, click, play
from tests.kit.patience import until
from tests.kit.shop import Shop
from tests.kit.worker import Worker as KafkaWorker
from tests.worlds import World, name


class Ranker:
    """Recommends what is named like itself, and holds a batch up for as long as it is told to."""

    def __init__(self, version: str, fallback: str | None = None) -> None:
        self.version = self.counts_version = version
        self.fallback = fallback
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()

    def rank(self, sessions: Sequence[Session], now: int) -> list[Ranked]:
        self.begun.set()
        self.go.wait(10)
        item = Item(self.version, 1, 1.0, "popular", Reason("popular"))
        return [Ranked((item,), 1, self.fallback) for _ in sessions]


class Following:
    """What comes next, in order: a ranker, or what is wrong with it. After that, nothing ever does."""

    def __init__(self, *coming: Ranker | Exception) -> None:
        self.coming = list(coming)
        self.dropped = 0

    async def next(self) -> Ranks:
        if not self.coming:
            await asyncio.Event().wait()
        come = self.coming.pop(0)
        if isinstance(come, Exception):
            raise come
        return come

    async def aside(self, work: Callable[[], None]) -> None:
        work()
        self.dropped += 1


def lists(worker: Worker) -> list[Recommendation]:
    return [recommendation.decode(each.value) for each in worker.kafka.taken if each.value is not None]


def test_a_batch_in_flight_is_the_old_rankers_and_the_next_is_the_new_ones() -> None:
    async def script(worker: Worker) -> None:
        old, new = Ranker("old"), Ranker("new")
        await worker.ranking.succeed(old)
        async with worker.running():
            old.go.clear()
            worker.deliver(click(1))
            await asyncio.to_thread(old.begun.wait, 10)

            switched = asyncio.create_task(worker.ranking.succeed(new))
            worker.deliver(click(2, "s2"), key=b"s2")
            await asyncio.sleep(0.05)
            assert not switched.done(), "the old one is still at work"
            old.go.set()

            assert await switched is old
            await until(lambda: len(worker.kafka.taken) == 2)

    worker = play(Diary(), script)

    assert [(each.session_id, each.model.version, each.items[0].item_id) for each in lists(worker)] == [
        ("s1", "old", "old"),
        ("s2", "new", "new"),
    ]


def test_a_batch_that_has_to_wait_for_its_turn_is_of_one_ranker_all_the_same() -> None:
    async def script(worker: Worker) -> None:
        await worker.ranking.succeed(Ranker("old"))
        held, go = threading.Event(), threading.Event()

        def hold() -> None:
            held.set()
            go.wait(10)

        worker.ranking._thread.submit(hold)
        await asyncio.to_thread(held.wait, 10)
        async with worker.running():
            worker.deliver(click(1))
            await until(lambda: worker.ranking._thread._work_queue.qsize() == 1)
            switched = asyncio.create_task(worker.ranking.succeed(Ranker("new")))
            await asyncio.sleep(0)
            go.set()
            await switched
            await until(lambda: len(worker.kafka.taken) == 1)

    worker = play(Diary(), script)

    [only] = lists(worker)
    assert only.model.version == only.items[0].item_id == "old"


def test_a_session_is_ranked_anew_at_its_next_click_and_not_before() -> None:
    async def script(worker: Worker) -> None:
        await worker.ranking.succeed(Ranker("old"))
        async with worker.running():
            worker.deliver(click(1))
            await until(lambda: len(worker.kafka.taken) == 1)
            await worker.ranking.succeed(Ranker("new"))
            await asyncio.sleep(0.05)
            assert len(worker.kafka.taken) == 1
            worker.deliver(click(2))
            await until(lambda: len(worker.kafka.taken) == 2)

    worker = play(Diary(), script)

    assert [each.model.version for each in lists(worker)] == ["old", "new"]


def test_whatever_is_wrong_with_a_bundle_is_counted_and_the_one_in_service_stays() -> None:
    following = Following(
        BundleError("altered", "a bit"), RuntimeError("a defect"), Ranker("new"), BundleError("altered", "two")
    )

    async def script(worker: Worker) -> None:
        metrics = worker.metrics
        metrics.model.labels("old").set(1)
        await worker.ranking.succeed(Ranker("old"))
        task = asyncio.create_task(Succession(following, worker.ranking, metrics).run())
        await until(lambda: not following.coming)
        await asyncio.sleep(0.01)
        assert not task.done()
        task.cancel()

    worker = play(Diary(), script)

    said = {
        (sample.name, *sample.labels.values()): sample.value
        for family in worker.metrics.registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    assert said["nextclick_bundle_refused_total", "altered"] == 2
    assert said["nextclick_bundle_refused_total", "defect"] == 1
    assert said["nextclick_bundle_swaps_total",] == 1
    assert [key for key in said if key[0] == "nextclick_model"] == [("nextclick_model", "new")]
    assert following.dropped == 1


def test_a_list_that_was_made_without_its_model_is_counted_as_a_fallback() -> None:
    async def script(worker: Worker) -> None:
        await worker.ranking.succeed(Ranker("sick", NOT_FINITE))
        async with worker.running():
            worker.deliver(click(1))
            await until(lambda: len(worker.kafka.taken) == 1)

    worker = play(Diary(), script)

    assert lists(worker)[0].fallback == NOT_FINITE
    assert worker.metrics.registry.get_sample_value("nextclick_fallbacks_total", {"reason": NOT_FINITE}) == 1


ITEMS = 100


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """Two bundles that recommend nothing in common, and one that is broken."""
    for number, bundle in enumerate(("low", "high")):
        first = number * ITEMS
        past = tuple((first + at, first + (at + 1) % ITEMS, first + (at + 2) % ITEMS) for at in range(ITEMS))
        publish(tmp_path / bundle, World(2 * ITEMS, past))
    shutil.copytree(tmp_path / "low", tmp_path / "bad")
    os.truncate(tmp_path / "bad" / "items.titles.npy", 200)
    folder.activate(tmp_path, "low")
    return tmp_path


@contextmanager
def clicking(shop: Shop, every_s: float) -> Iterator[dict[str, set[str]]]:
    """Fifty clicks again and again, on things of either bundle; what each session has touched."""
    touched: dict[str, set[str]] = defaultdict(set)
    closed = threading.Event()

    def click_on() -> None:
        producer = KafkaProducer(bootstrap_servers=shop.settings.kafka, acks="all")
        while not closed.wait(every_s):
            for at, each in enumerate(shop.clicks(50, sessions=25)):
                item_id = name(at * 7 % (2 * ITEMS))
                touched[each.session_id].add(item_id)
                known = msgspec.structs.replace(each, item_id=item_id)
                producer.send(shop.names.clickstream, key=each.session_id.encode(), value=encode(known))
        producer.close()

    shoppers = threading.Thread(target=click_on)
    shoppers.start()
    try:
        yield touched
    finally:
        closed.set()
        shoppers.join()


@pytest.mark.parametrize(
    "swaps", [4, pytest.param(200, marks=[pytest.mark.chaos, pytest.mark.timeout(900)])], ids=["few", "many"]
)
def test_bundles_that_follow_each_other_under_clicks_are_never_mixed_in_a_list(
    shop: Shop, shelf: Path, swaps: int
) -> None:
    # given
    shop.settings = replace(shop.settings, bundle=str(shelf))
    versions = {name: bundles.read_manifest(shelf / name).version for name in ("low", "high")}
    worker = shop.worker()
    worker.await_assigned()
    took: list[float] = []

    # when
    with clicking(shop, every_s=0.1) as touched:
        topic.eventually(lambda: len(shop.lists()) > 100, "lists come before anything is switched")
        begun = time.time_ns() // 1_000_000
        for swap in range(1, swaps + 1):
            if swap % 10 == 4:
                _point_at_the_bad_one(shelf, worker)
            asked = time.monotonic()
            change = folder.activate(shelf, ("low", "high")[swap % 2])
            _await_swap(worker, change.manifest.version, (swap + 1) // 2)
            took.append(time.monotonic() - asked)
        ended = time.time_ns() // 1_000_000
    last = shop.clicks(10, sessions=10)
    shop.send(last)
    topic.eventually(lambda: all(shop.stored(each.session_id) for each in last), "everybody has a list")

    # then
    said = [each for each in shop.lists(within_s=300) if each.session_id in touched]
    assert {each.model.version for each in said} == set(versions.values())
    for each in said:
        recommended = {item.item_id for item in each.items} - touched[each.session_id]
        halves = {int(item_id.removeprefix("item-")) // ITEMS for item_id in recommended}
        assert halves == {0 if each.model.version == versions["low"] else 1}
        assert len(each.items) == PUBLISHED
    assert worker.stop() == 0
    _tell(said, begun, ended, took)


def _point_at_the_bad_one(shelf: Path, worker: KafkaWorker) -> None:
    """As somebody might who asks nobody; the worker says so, and goes on."""
    refused = worker.said().count("a bundle is refused")
    folder._point(shelf / "current", "bad")
    topic.eventually(lambda: worker.said().count("a bundle is refused") == refused + 1, "it is refused", every_s=0.01)


def _await_swap(worker: KafkaWorker, version: str, times: int) -> None:
    topic.eventually(
        lambda: worker.said().count(f"model {version} ranks, after") == times, f"{version} ranks", every_s=0.01
    )


def _tell(lists: Sequence[Recommendation], begun: int, ended: int, took: Sequence[float]) -> None:
    """What it cost, to be read by people: from Kafka's receipt of a click to its ranked list."""
    waits = [(each.generated_at, each.generated_at - each.trigger.record_time) for each in lists]
    print(f"\n{conditions.line('faust-streaming', 'numpy')}; {len(took)} swaps, {len(lists)} lists")
    for when, found in (
        ("before any swap", [wait for at, wait in waits if at < begun]),
        ("during the swaps", [wait for at, wait in waits if begun <= at < ended]),
    ):
        p50, p99, most = np.percentile(found, (50, 99, 100))
        print(f"{when}: click to ranked list p50 {p50:.0f} ms, p99 {p99:.0f} ms, most {most:.0f} ms")
    print(f"activation, verification included, to ranking: p50 {np.median(took):.2f} s, most {max(took):.2f} s")
