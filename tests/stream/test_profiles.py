"""Laws of users across sessions, from the loop's order of things to a worker that is killed."""

from __future__ import annotations

import time
from dataclasses import replace

import msgspec
import pytest

from schemas import keys
from schemas.click import Click, encode
from schemas.facts import GUARD
from schemas.topics import OP_ERASE_USER, OP_HEADER
from schemas.wire import EpochMs
from serving.state.pipeline import Call
from tests.kit import topic
from tests.kit.crew import STALE
from tests.kit.diary import NOW, Diary, Worker, play
from tests.kit.shop import Shop
from tests.kit.traffic import Traffic
from tests.kit.worker import summed


def click(number: int, user_id: str | None = "u1", *, session_id: str = "s1", consent: bool = True) -> bytes:
    return encode(
        Click(
            event_id=f"e{number}",
            session_id=session_id,
            type="view",
            ts=EpochMs(NOW),
            item_id=f"item{number}",
            user_id=user_id,
            consent=consent,
        )
    )


def test_a_profile_is_folded_after_the_session_and_before_the_acknowledgement() -> None:
    diary = Diary(remember=2)

    async def script(worker: Worker) -> None:
        worker.deliver(click(1))
        worker.deliver(click(2))
        await worker.run_until(lambda: "settle" in diary.lines)
        assert [deed.item_id for deed in (await worker.store.profiles(["u1"]))[0].liked] == ["item1", "item2"]

    play(diary, script)

    assert diary.lines[:5] == ["mark", "fold", "remember", "ack 0", "ack 1"]


@pytest.mark.parametrize(("user_id", "consent"), [(None, True), ("u1", False)])
def test_a_batch_that_concerns_no_user_asks_nothing_of_redis(user_id: str | None, consent: bool) -> None:
    diary = Diary()

    async def script(worker: Worker) -> None:
        worker.deliver(click(1, user_id, consent=consent))
        await worker.run_until(lambda: "settle" in diary.lines)

    play(diary, script)

    assert "remember" not in diary.lines


def test_where_profiles_are_not_kept_orders_to_forget_are_obeyed_all_the_same() -> None:
    diary = Diary()

    async def script(other: Worker) -> None:
        worker = Worker(diary, other.store, profiles="off")
        worker.deliver(click(1))
        worker.deliver(None, b"u1", [(OP_HEADER, OP_ERASE_USER)])
        await worker.run_until(lambda: "ack 1" in diary.lines)
        (profile,) = await worker.store.profiles(["u1"])
        assert (profile.liked, profile.erased) == ((), NOW)

    play(diary, script)


@pytest.mark.parametrize(("profiles", "read"), [("rank", ["item1", "item2"]), ("on", ["item2"])])
def test_a_session_is_ranked_with_what_its_user_did_before_where_that_is_wanted(profiles: str, read: list[str]) -> None:
    diary = Diary()

    async def script(other: Worker) -> None:
        worker = Worker(diary, other.store, profiles=profiles)
        worker.deliver(click(1))
        await worker.run_until(lambda: diary.lines.count("settle") == 1)
        worker.deliver(click(2, session_id="s2"), b"s2")
        await worker.run_until(lambda: diary.lines.count("settle") == 2)

        assert [action.item_id for action in worker.ranker.asked[-1].recent] == read
        kept = await worker.store.read("s2")
        assert kept.session is not None
        assert [action.item_id for action in kept.session.recent] == ["item2"], "the session itself is what it was"

    play(diary, script)


def test_a_session_whose_click_tells_no_user_is_ranked_as_its_last_one_told() -> None:
    diary = Diary()

    async def script(other: Worker) -> None:
        worker = Worker(diary, other.store, profiles="rank")
        worker.deliver(click(1))
        worker.deliver(click(2, session_id="s2"), b"s2")
        await worker.run_until(lambda: diary.lines.count("settle") == 1)
        worker.deliver(click(3, None, session_id="s2"), b"s2")
        await worker.run_until(lambda: diary.lines.count("settle") == 2)

        assert [action.item_id for action in worker.ranker.asked[-1].recent] == ["item1", "item2", "item3"]

    play(diary, script)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_worker_leaves_every_profile_as_one_thread_makes_it(shop: Shop) -> None:
    """Sessions of a user lie in several partitions; what is delivered again comes behind what others were ahead."""
    shop.settings = replace(shop.settings, profiles="rank")
    traffic = Traffic(seed=3, events=2_000, sessions=100, users=10)
    clicks = traffic.clicks(shop.settings.group, time.time_ns() // 1_000_000)
    first = shop.worker()
    first.await_assigned()
    shop.send(clicks[:1_000])
    topic.eventually(lambda: shop.has_folded(clicks, 300), "it is at work", 60)
    first.kill()

    shop.send(clicks[1_000:])
    second = shop.worker()

    topic.eventually(lambda: shop.sessions_that_differ() == [], "every session is the fold of the topic", 120, 1)
    topic.eventually(lambda: shop.users_that_differ() == [], "and so is every user", 60, 1)
    assert summed(second.metrics(), STALE) > 0, "nothing was delivered again, so nothing was proved"
    kept = shop.oracle().users.values()
    assert len(kept) == 10
    assert all(sum(name.startswith(GUARD) for name in fields) > 1 for fields in kept), "one partition has but one order"
    assert second.stop() == 0


@pytest.mark.slow
def test_an_erased_user_is_forgotten_and_what_comes_again_changes_nothing(shop: Shop) -> None:
    shop.settings = replace(shop.settings, profiles="on")
    worker = shop.worker()
    clicks = [msgspec.structs.replace(each, user_id="u1") for each in shop.clicks(40, sessions=10)]
    shop.send(clicks)
    topic.eventually(lambda: shop.folded(clicks) == 40 and shop.users_that_differ() == [], "the user is known")

    topic.produce(shop.settings.kafka, shop.names.clickstream, [(b"u1", None, [(OP_HEADER, OP_ERASE_USER)])])

    topic.eventually(lambda: shop.users_that_differ() == [], "the user is forgotten")
    (kept,) = shop.ask([Call(("HGETALL", keys.profile("u1")))])
    assert isinstance(kept, dict)
    assert {b"b", b"l"}.isdisjoint(kept)
    assert b"e" in kept
    shop.send(clicks)
    last = shop.clicks(40, sessions=40)
    shop.send(last)
    topic.eventually(lambda: shop.folded(last) == 40, "the worker is past all that")
    assert shop.users_that_differ() == []
    assert worker.stop() == 0
