"""Laws of the order in which the worker does things: the store in memory, Kafka a few lines, faults as data."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from functools import partial
from math import inf

import pytest

from schemas import recommendation
from schemas.click import Click, encode
from schemas.session import IDLE_MS, Session
from schemas.topics import OP_ERASE, OP_HEADER
from schemas.wire import EpochMs
from serving.ranking.ranker import Ranked
from tests.kit.diary import LANE, NOW, Diary, Popular, Worker, click, play
from tests.kit.patience import until


def test_mark_fold_acknowledge_store_publish_settle_in_this_order() -> None:
    diary = Diary()

    async def script(worker: Worker) -> None:
        worker.deliver(click(1))
        await worker.run_until(lambda: "settle" in diary.lines)
        assert await worker.settled()

    play(diary, script)

    assert diary.lines == ["mark", "fold", "ack 0", "store", "publish", "settle"]


def test_a_fold_that_fails_is_tried_again_before_anything_is_acknowledged() -> None:
    diary = Diary(fold=3, mark=1)

    async def script(worker: Worker) -> None:
        worker.deliver(click(1))
        worker.deliver(click(2))
        await worker.run_until(lambda: "settle" in diary.lines)

    play(diary, script)

    assert diary.lines[:7] == [*["mark"] * 4, "fold", "ack 0", "ack 1"]


def test_what_waited_while_the_last_batch_was_in_flight_is_one_batch_and_one_list() -> None:
    diary = Diary()

    async def script(worker: Worker) -> None:
        for number in range(100):
            worker.deliver(click(number))
        await worker.run_until(lambda: "settle" in diary.lines)

    worker = play(diary, script)

    assert diary.lines.count("fold") == 1
    (published,) = worker.kafka.taken
    assert recommendation.decode(published.value or b"").session_version == 100


def test_a_letter_is_in_kafkas_hands_before_its_record_is_acknowledged() -> None:
    diary = Diary(bury=2)

    async def script(worker: Worker) -> None:
        worker.deliver(b"garbage")
        await worker.run_until(lambda: "ack 0" in diary.lines)

    play(diary, script)

    assert diary.lines == ["fold", "bury", "ack 0"]


def test_an_absent_recommendations_topic_delays_neither_fold_nor_store() -> None:
    diary = Diary(publish=1_000)

    async def script(worker: Worker) -> None:
        async with worker.running():
            for number in range(3):
                worker.deliver(click(number))
                await until(lambda: diary.lines.count("store") == number + 1)  # noqa: B023 - awaited before it changes
        assert not await worker.settled(), "the list is still owed"

    worker = play(diary, script)

    assert [line for line in diary.lines if line.startswith("ack")] == ["ack 0", "ack 1", "ack 2"]
    assert worker.kafka.taken == []


def test_a_list_that_waited_is_published_once_kafka_is_back_and_only_the_newest() -> None:
    diary = Diary(publish=1)

    async def script(worker: Worker) -> None:
        async with worker.running():
            worker.deliver(click(1))
            await until(lambda: diary.faults["publish"] == 0)
            worker.deliver(click(2))
            await until(lambda: "settle" in diary.lines)
        assert await worker.settled()

    worker = play(diary, script)

    versions = [recommendation.decode(each.value or b"").session_version for each in worker.kafka.taken]
    assert versions == [2]


def test_an_erased_session_is_taken_back_and_settled() -> None:
    diary = Diary()

    async def script(worker: Worker) -> None:
        worker.deliver(click(1))
        await worker.run_until(lambda: diary.lines.count("settle") == 1)
        worker.deliver(None, headers=[(OP_HEADER, OP_ERASE)])
        await worker.run_until(lambda: diary.lines.count("settle") == 2)
        assert await worker.settled()

    worker = play(diary, script)

    assert [each.value is None for each in worker.kafka.taken] == [False, True]
    assert worker.kafka.taken[-1].key == b"s1"


def test_an_erasure_whose_answer_was_lost_is_still_told() -> None:
    """The script ran, the connection broke: tried again, it answers that there is nothing left to do."""
    diary = Diary()

    async def script(worker: Worker) -> None:
        worker.deliver(click(1))
        await worker.run_until(lambda: diary.lines.count("settle") == 1)
        worker.store.lose_answers = 1
        worker.deliver(None, headers=[(OP_HEADER, OP_ERASE)])
        await worker.run_until(lambda: diary.lines.count("settle") == 2)

    worker = play(diary, script)

    assert [each.value is None for each in worker.kafka.taken] == [False, True]


def test_an_erasure_is_told_though_an_impression_followed_it_in_the_same_batch() -> None:
    diary = Diary()
    shown = Click(event_id="i", session_id="s1", type="impression", ts=EpochMs(NOW + 1), items=("lamp",))

    async def script(worker: Worker) -> None:
        worker.deliver(click(1))
        await worker.run_until(lambda: diary.lines.count("settle") == 1)
        worker.deliver(None, headers=[(OP_HEADER, OP_ERASE)])
        worker.deliver(encode(shown))
        await worker.run_until(lambda: diary.lines.count("settle") == 2)

    worker = play(diary, script)

    assert [each.value is None for each in worker.kafka.taken] == [False, True]


def test_a_lane_that_was_lost_takes_its_unsent_lists_with_it() -> None:
    """Its new owner may have erased a session meanwhile; our older list must not follow that word."""
    diary = Diary(publish=1)

    async def script(worker: Worker) -> None:
        async with worker.running():
            worker.deliver(click(1))
            await until(lambda: diary.faults["publish"] == 0)
            worker.ranking.revoke([LANE])
            worker.ranking.assign({"another": 0})
            await asyncio.sleep(1.2)

    worker = play(diary, script)

    assert worker.kafka.taken == []


def test_a_new_owner_of_a_lane_ranks_what_the_last_one_left() -> None:
    """The worker before it died between fold and ranking."""
    diary = Diary()

    async def script(first: Worker) -> None:
        first.deliver(click(1, "s1"))
        first.deliver(click(2, "s2"), key=b"s2")
        await first.fold_until(lambda: "ack 1" in diary.lines)
        second = Worker(diary, first.store)

        async with second.running():
            await second.ranking.adopt()
            await until(lambda: len(second.kafka.taken) == 2 and "settle" in diary.lines)
        assert await second.settled()
        assert {each.key for each in second.kafka.taken} == {b"s1", b"s2"}

    play(diary, script)


@pytest.mark.parametrize("delivered_again", [False, True])
def test_a_list_that_was_stored_but_never_published_is_published_by_the_next_owner(delivered_again: bool) -> None:
    """Its last owner died between the two; Redis says it is ranked, and only the mark knows better."""
    diary = Diary(publish=1_000)

    async def script(first: Worker) -> None:
        first.deliver(click(1))
        await first.run_until(lambda: "store" in diary.lines)
        diary.faults.clear()
        second = Worker(diary, first.store)
        if delivered_again:
            second.deliver(click(1))
        async with second.running():
            if not delivered_again:
                await second.ranking.adopt()
            await until(lambda: "settle" in diary.lines)
        assert await second.settled()
        (published,) = second.kafka.taken
        found = recommendation.decode(published.value or b"")
        assert (found.session_version, found.revision) == (1, 1)

    play(diary, script)


def test_what_a_rebalance_left_in_the_queue_is_neither_folded_nor_acknowledged() -> None:
    diary = Diary()

    async def script(worker: Worker) -> None:
        worker.deliver(click(1))
        worker.revoke()
        worker.assign(2, start=1)
        async with worker.running():
            worker.deliver(click(2))
            await until(lambda: "settle" in diary.lines)

    play(diary, script)

    assert [line for line in diary.lines if line.startswith("ack")] == ["ack 1"]


def test_an_event_delivered_again_whose_list_is_owed_is_ranked() -> None:
    """Folded by a worker that died before it could rank; the record itself comes again."""
    diary = Diary()

    async def script(first: Worker) -> None:
        first.deliver(click(1))
        await first.fold_until(lambda: "ack 0" in diary.lines)
        second = Worker(diary, first.store)
        second.deliver(click(1))
        await second.run_until(lambda: "settle" in diary.lines)
        assert len(second.kafka.taken) == 1

    play(diary, script)


@pytest.mark.parametrize(("silent_ms", "lists"), [(0, 1), (IDLE_MS, 1), (IDLE_MS + 1, 0)])
def test_what_a_rewind_brings_is_told_again_to_whoever_is_still_there(silent_ms: int, lists: int) -> None:
    """The mark may be what was lost, and then nothing else tells of a list that is stored and was not published."""
    diary = Diary(publish=1_000)

    async def script(first: Worker) -> None:
        first.deliver(click(1), at=NOW - silent_ms)
        await first.run_until(lambda: "store" in diary.lines)
        await first.store.settle(await first.store.pending(LANE))
        diary.faults.clear()
        second = Worker(diary, first.store)
        second.assign(1, again=1)
        second.deliver(click(1), at=NOW - silent_ms)
        second.deliver(click(2, "s2"), key=b"s2")
        async with second.running():
            await until(lambda: b"s2" in {each.key for each in second.kafka.taken})
            await until(lambda: diary.lines[-1] == "settle")
        assert await second.settled()
        assert [each.key for each in second.kafka.taken].count(b"s1") == lists

    play(diary, script)


def _has(worker: Worker, lists: int) -> bool:
    return len(worker.kafka.taken) >= lists


class Named(Popular):
    """Notes by which thread it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[threading.Thread] = []

    def rank(self, sessions: Sequence[Session], now: int) -> list[Ranked]:
        self.threads.append(threading.current_thread())
        return super().rank(sessions, now)


@pytest.mark.parametrize(("limit_s", "on_the_loop"), [(inf, True), (0.0, False)])
def test_the_event_loop_ranks_what_is_known_to_be_quick_and_nothing_else(limit_s: float, *, on_the_loop: bool) -> None:
    ranker = Named()

    async def whole() -> None:
        worker = Worker(Diary(), on_the_loop_s=limit_s)
        await worker.ranking.succeed(ranker)
        async with worker.running():
            for number in range(2):
                worker.deliver(click(number))
                await until(partial(_has, worker, number + 1))

    asyncio.run(whole())

    unknown, known = ranker.threads
    assert unknown is not threading.main_thread()
    assert (known is threading.main_thread()) == on_the_loop
