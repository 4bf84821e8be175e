"""A stored list that holds what is to be had no more is made anew: once, after everybody who has just clicked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from schemas import recommendation
from schemas.recommendation import Item, Reason, Recommendation
from schemas.session import Session
from schemas.topics import OP_ERASE, OP_HEADER
from serving.ranking.ranker import Ranked
from stream import ranking as ranking_module
from tests.kit.diary import LANE, Diary, Worker, click, play
from tests.kit.patience import until


class Shelf:
    """A ranker that recommends whatever it has, the same to everybody, and may be held up."""

    version, counts_version = "m", "c"

    def __init__(self, *items: str) -> None:
        self.items = list(items)
        self.asked: list[list[str]] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()

    def rank(self, sessions: Sequence[Session], now: int) -> list[Ranked]:
        had = list(self.items)
        self.asked.append([session.recent[-1].item_id for session in sessions])
        self.begun.set()
        self.go.wait(10)
        listed = tuple(Item(name, rank, 1.0, "popular", Reason("popular")) for rank, name in enumerate(had, start=1))
        return [Ranked(listed, len(listed)) for _ in sessions]


def lists(worker: Worker) -> list[Recommendation]:
    return [recommendation.decode(each.value) for each in worker.kafka.taken if each.value is not None]


def told(worker: Worker) -> list[tuple[str, int, int, list[str]]]:
    return [
        (each.session_id, each.session_version, each.revision, [item.item_id for item in each.items])
        for each in lists(worker)
    ]


async def clicked(worker: Worker, *sessions: str) -> None:
    """Each has a list."""
    for number, name in enumerate(sessions):
        worker.deliver(click(number, name), key=name.encode())
    await until(lambda: {each.session_id for each in lists(worker)} >= set(sessions))
    await _settled(worker)


async def _settled(worker: Worker) -> None:
    await until(lambda: not len(worker.ranking._pending))


async def _gone(worker: Worker, shelf: Shelf, item_id: str) -> None:
    shelf.items.remove(item_id)
    worker.ranking.miss([item_id])


def test_a_list_that_holds_what_is_gone_rises_by_a_revision_and_is_published() -> None:
    async def script(worker: Worker) -> None:
        shelf = Shelf("lamp", "rug")
        await worker.ranking.succeed(shelf)
        async with worker.running():
            await clicked(worker, "s1")
            await _gone(worker, shelf, "rug")
            await until(lambda: len(lists(worker)) == 2)
            await _settled(worker)

    worker = play(Diary(), script)

    assert told(worker) == [("s1", 1, 0, ["lamp", "rug"]), ("s1", 1, 1, ["lamp"])]
    answered = worker.metrics.registry.get_sample_value("nextclick_click_to_recommendation_seconds_count")
    assert answered == 1, "what is ranked once more answers no click"


def test_a_list_without_it_stays_as_it_is() -> None:
    async def script(worker: Worker) -> None:
        shelf = Shelf("lamp", "rug")
        await worker.ranking.succeed(shelf)
        async with worker.running():
            await clicked(worker, "s1")
            shelf.items.append("mug")
            await clicked(worker, "s2")
            await _gone(worker, shelf, "mug")
            await until(lambda: len(lists(worker)) == 3)
            await asyncio.sleep(2 * ranking_module._GATHER_S)

    assert [each[:3] for each in told(play(Diary(), script))] == [("s1", 1, 0), ("s2", 1, 0), ("s2", 1, 1)]


def test_a_list_that_is_being_made_when_an_item_goes_is_made_anew_too() -> None:
    async def script(worker: Worker) -> None:
        shelf = Shelf("lamp", "rug")
        await worker.ranking.succeed(shelf)
        async with worker.running():
            shelf.go.clear()
            worker.deliver(click(1))
            await asyncio.to_thread(shelf.begun.wait, 10)
            await _gone(worker, shelf, "rug")
            await asyncio.sleep(2 * ranking_module._GATHER_S)
            shelf.go.set()
            await until(lambda: len(lists(worker)) == 2)

    assert told(play(Diary(), script)) == [("s1", 1, 0, ["lamp", "rug"]), ("s1", 1, 1, ["lamp"])]


def test_whoever_clicks_is_ranked_before_those_whose_lists_are_only_stale() -> None:
    sessions = [f"s{number}" for number in range(100)]

    async def script(worker: Worker) -> None:
        shelf = Shelf("lamp", "rug")
        await worker.ranking.succeed(shelf)
        async with worker.running():
            await clicked(worker, *sessions)
            shelf.asked.clear()
            shelf.begun.clear()
            shelf.go.clear()
            await _gone(worker, shelf, "rug")
            await asyncio.to_thread(shelf.begun.wait, 10)  # the first of them are being ranked
            worker.deliver(click(1_000, "fresh"), key=b"fresh")
            await until(lambda: worker.queue.empty() and worker.ranking._pending.is_ready)
            shelf.go.set()
            await until(lambda: len(lists(worker)) == 201)
            assert shelf.asked[1] == ["item1000"]

    worker = play(Diary(), script)

    assert sorted(each[0] for each in told(worker) if each[2] == 1) == sorted(sessions)


def test_a_session_that_is_over_is_left_in_peace() -> None:
    async def script(worker: Worker) -> None:
        shelf = Shelf("lamp", "rug")
        await worker.ranking.succeed(shelf)
        async with worker.running():
            await clicked(worker, "s1", "s2")
            worker.deliver(None, b"s1", [(OP_HEADER, OP_ERASE)])
            await until(lambda: len(worker.kafka.taken) == 3)
            await _gone(worker, shelf, "rug")
            await until(lambda: len(worker.kafka.taken) == 4)
            await _settled(worker)

    worker = play(Diary(), script)

    assert [record.key for record in worker.kafka.taken[2:]] == [b"s1", b"s2"]
    assert worker.kafka.taken[2].value is None


def test_the_sessions_of_a_lane_that_went_are_its_new_owners() -> None:
    async def script(worker: Worker) -> None:
        shelf = Shelf("lamp", "rug")
        await worker.ranking.succeed(shelf)
        async with worker.running():
            await clicked(worker, "s1")
            worker.ranking.revoke([LANE])
            await _gone(worker, shelf, "rug")
            await asyncio.sleep(2 * ranking_module._GATHER_S)
            await until(lambda: not worker.ranking._stale)

    worker = play(Diary(), script)

    assert [each[:3] for each in told(worker)] == [("s1", 1, 0)]
