"""On the way of a click each stage lasts as long as what is done in it, and no longer."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import get_args

from schemas.session import Session
from schemas.topics import OP_ERASE, OP_HEADER
from serving.ranking.ranker import Ranked
from stream.stages import Stage
from tests.kit.diary import NOW, Diary, Popular, Worker, click, play
from tests.kit.patience import until


class Timed(Popular):
    """Its work is in the diary; it may be held up."""

    def __init__(self, diary: Diary) -> None:
        super().__init__()
        self.diary = diary
        self.go = threading.Event()
        self.go.set()

    def rank(self, sessions: Sequence[Session], now: int) -> list[Ranked]:
        self.asked += sessions
        self.go.wait(10)
        self.diary.note("rank")
        return super().rank(sessions, now)


def spent(worker: Worker) -> dict[str, tuple[float, float]]:
    """By stage: how many, and how long all together."""
    told = worker.metrics.registry.get_sample_value
    found = {}
    for stage in get_args(Stage):
        ends = (told(f"nextclick_stage_seconds_{end}", {"stage": stage}) for end in ("count", "sum"))
        count, total = (end or 0.0 for end in ends)
        found[stage] = (count, round(total, 3))
    return found


def published(worker: Worker, lists: int) -> bool:
    return spent(worker)["publish"][0] == lists


def test_a_click_that_comes_alone_is_in_each_stage_for_as_long_as_that_takes() -> None:
    diary = Diary()
    diary.takes_s = {"fold": 2, "rank": 8, "store": 16, "publish": 32}

    async def script(worker: Worker) -> None:
        await worker.ranking.succeed(Timed(diary))
        worker.deliver(click(1), at=NOW - 1_000)
        await worker.run_until(lambda: published(worker, 1))

    assert spent(play(diary, script)) == {
        "queue": (1, 1.0), "fold": (1, 2.0), "wait": (1, 0.0), "rank": (1, 8.0), "store": (1, 16.0),
        "publish": (1, 32.0),
    }  # fmt: skip


def test_of_clicks_that_come_together_each_is_folded_and_each_session_has_one_list() -> None:
    diary = Diary()
    diary.takes_s = {"fold": 2, "rank": 8, "store": 16, "publish": 32}

    async def script(worker: Worker) -> None:
        await worker.ranking.succeed(Timed(diary))
        for number, session in enumerate([b"s1", b"s1", b"s2"]):
            worker.deliver(click(number, session.decode()), session, at=NOW - 1_000 * (number + 1))
        await worker.run_until(lambda: published(worker, 2))

    assert spent(play(diary, script)) == {
        "queue": (3, 1.0 + 2.0 + 3.0), "fold": (3, 3 * 2.0), "wait": (2, 0.0), "rank": (2, 2 * 8.0),
        "store": (2, 2 * 16.0), "publish": (2, 2 * 32.0),
    }  # fmt: skip


def test_who_comes_while_another_is_ranked_waits_for_that_to_end() -> None:
    diary = Diary()
    diary.takes_s = {"rank": 8}
    ranker = Timed(diary)

    async def script(worker: Worker) -> None:
        await worker.ranking.succeed(ranker)
        async with worker.running():
            ranker.go.clear()
            worker.deliver(click(1), b"s1")
            await until(lambda: len(ranker.asked) > 0)
            worker.deliver(click(2, "s2"), b"s2")
            await until(lambda: diary.lines.count("fold") == 2)
            ranker.go.set()
            await until(partial(published, worker, 2))

    told = spent(play(diary, script))

    assert [told["wait"], told["rank"]] == [(2, 8.0), (2, 16.0)]


def test_a_list_that_is_made_anew_waits_from_when_that_was_found_due() -> None:
    diary = Diary()
    diary.takes_s = {"store": 16}

    async def script(worker: Worker) -> None:
        async with worker.running():
            worker.deliver(click(1))
            await until(partial(published, worker, 1))
            diary.now_s += 100
            worker.ranking.miss(["lamp"])
            await until(partial(published, worker, 2))

    assert spent(play(diary, script))["wait"] == (2, 0.0)


def test_a_list_that_kafka_refuses_is_on_its_way_until_kafka_has_it() -> None:
    diary = Diary(publish=1)
    diary.takes_s = {"publish": 32}

    async def script(worker: Worker) -> None:
        worker.deliver(click(1))
        await worker.run_until(lambda: published(worker, 1))

    assert spent(play(diary, script))["publish"] == (1, 2 * 32.0)


def test_what_takes_a_sessions_lists_back_is_no_list() -> None:
    diary = Diary()
    diary.takes_s = {"publish": 32}

    async def script(worker: Worker) -> None:
        async with worker.running():
            worker.deliver(click(1))
            await until(partial(published, worker, 1))
            worker.deliver(None, headers=[(OP_HEADER, OP_ERASE)])
            await until(lambda: len(worker.kafka.taken) == 2)

    told = spent(play(diary, script))

    assert [told["fold"], told["publish"]] == [(2, 0.0), (1, 32.0)]
