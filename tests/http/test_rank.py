"""POST /v1/rank: the caller's own candidates in order, all of them or told why not, and each answer of one bundle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from schemas.errors import ServiceError
from schemas.item import Entry, Item
from schemas.placement import Placement
from schemas.ranking import Ranking
from schemas.session import Position, Session, Trigger
from serving.http.operations import Nothing
from serving.http.problems import Refused
from serving.http.request import Caller, Request
from serving.http.turns import Turns
from serving.state.readings import Remembered
from tests import worlds
from tests.http.counter import Counter
from tests.kit.bundles import publish
from tests.kit.patience import until
from tests.worlds import NOW, World, name

OWN, STRANGER = Caller(session_id="s1"), Caller(session_id="s2")
NO_REPEATS = Placement(name="home", hide=frozenset({"seen"}), limit=5)


def titled(word: str, seed: int) -> World:
    chain = worlds.chain(seed=seed)
    goods = tuple(Item(item_id=name(at), title=f"{word} {at}") for at in range(chain.items))
    return World(chain.items, chain.past, goods)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made")
    publish(made / "first", titled("First", 1))
    publish(made / "second", titled("Second", 2))
    return made


@pytest.fixture
def counter(bundles: Path, tmp_path: Path) -> Counter:
    (tmp_path / "place").symlink_to(bundles / "first")
    return Counter(tmp_path / "place", {"home": NO_REPEATS})


def session(*items: int) -> Session:
    trigger = Trigger("e1", NOW, NOW, Position("0badcafe", 0, len(items)))
    clicked = worlds.session([name(item) for item in items])
    return replace(clicked, version=len(items), trigger=trigger)


def _swapped(counter: Counter, times: int) -> Callable[[], bool]:
    return lambda: counter.count("nextclick_bundle_swaps_total") == times


def body(**asked: object) -> Request:
    return Request("POST", "/v1/rank", body=msgspec.json.encode(asked))


async def rank(counter: Counter, caller: Caller = OWN, **asked: object) -> Ranking:
    answer = await counter.ranking.answer(Nothing(), body(**asked), caller)
    return msgspec.json.decode(answer.body, type=Ranking)


def named(ranking: Ranking) -> list[str]:
    return [item.item_id for item in ranking.items]


def test_candidates_come_back_in_the_sessions_order_and_what_cannot_be_had_is_told(counter: Counter) -> None:
    counter.redis.sessions["s1"] = Remembered(session(10), None, "")
    counter.topic.there = [Entry(name(13), None)]

    async def script() -> None:
        async with counter.running():
            asked = [name(30), name(13), name(12), "stranger", name(11)]
            found = await rank(counter, session_id="s1", candidates=asked)
            assert named(found)[:2] == [name(11), name(12)]
            assert found.dropped == (name(13), "stranger")
            assert [item.rank for item in found.items] == [1, 2, 3]
            assert found.session_version == 1

    asyncio.run(script())


def test_a_placement_and_what_is_excluded_are_heeded(counter: Counter) -> None:
    counter.redis.sessions["s1"] = Remembered(session(11, 10), None, "")

    async def script() -> None:
        asked = [name(at) for at in range(40)]
        async with counter.running():
            found = await rank(counter, session_id="s1", candidates=asked, placement="home", exclude=[name(12)])
            assert not {name(10), name(11), name(12)} & set(named(found))
            assert found.placement == "home"
            assert len(await rank_all(counter, asked)) == 40
            assert len(named(await rank(counter, session_id="s1", candidates=asked, limit=3))) == 3

    async def rank_all(counter: Counter, asked: list[str]) -> list[str]:
        return named(await rank(counter, session_id="s1", candidates=asked))

    asyncio.run(script())


def test_a_session_that_is_not_the_callers_counts_as_none_and_is_not_even_looked_for(counter: Counter) -> None:
    counter.redis.sessions["s1"] = Remembered(session(10), None, "")

    async def script() -> None:
        asked = [name(at) for at in range(40)]
        async with counter.running():
            theirs = await counter.ranking.answer(Nothing(), body(session_id="s1", candidates=asked), STRANGER)
            nobodys = await counter.ranking.answer(Nothing(), body(candidates=asked), STRANGER)
            assert theirs.body == nobodys.body
            assert counter.redis.asked == 0

    asyncio.run(script())


def test_without_redis_or_a_bundle_it_still_answers_and_says_why(bundles: Path, tmp_path: Path) -> None:
    async def script() -> None:
        counter = Counter(tmp_path / "place")
        counter.topic.there = [Entry("c", None)]
        async with counter.running():
            found = await rank(counter, session_id="s1", candidates=["b", "c", "a"])
            assert (named(found), found.dropped, found.fallback) == (["b", "a"], ("c",), "bundle")
            counter.put(bundles / "first")
            await until(lambda: not counter.shelf.degraded)
            counter.redis.away = True
            found = await rank(counter, session_id="s1", candidates=[name(3), name(0)])
            assert (named(found), found.fallback) == ([name(0), name(3)], "redis")
            counted = [counter.count("nextclick_http_fallbacks_total", reason=why) for why in ("bundle", "redis")]
            assert (counted, counter.count("nextclick_http_redis_failures_total")) == ([1, 1], 1)

    asyncio.run(script())


@pytest.mark.parametrize(
    ("request_body", "field"),
    [
        (b"", ""),
        (b"[1", ""),
        (b"\xff", ""),
        (b"[]", ""),
        (b"{}", "candidates"),
        (b'{"candidates": []}', "candidates"),
        (b'{"candidates": ["a"], "limit": 501}', "limit"),
        (b'{"candidates": ["a\\u0000"]}', "candidates[0]"),
        (b'{"candidates": ["a"], "session_id": "a b"}', "session_id"),
        (b'{"candidates": ["a"], "placement": "nowhere"}', "placement"),
        (b'{"candidates": ["a"], "colour": 1}', "colour"),
        (b'{"candidates": ["a"], "<b>": 1}', ""),
        (b'{"candidates": ["a"], "%b": 1}' % (b"a" * 65), ""),
        (b"[" * 100_000, ""),
        (msgspec.json.encode({"candidates": ["a"] * 501}), "candidates"),
    ],
)
def test_what_is_wrong_is_refused_by_name(counter: Counter, request_body: bytes, field: str) -> None:
    async def script() -> None:
        with pytest.raises(Refused) as refused:
            await counter.ranking.answer(Nothing(), Request("POST", "/v1/rank", body=request_body), OWN)
        assert (refused.value.status, refused.value.field) == (400, field)

    asyncio.run(script())


def test_of_other_media_types_nothing_is_read(counter: Counter) -> None:
    async def script() -> None:
        with pytest.raises(Refused, match="media_type"):
            await counter.ranking.answer(
                Nothing(), Request("POST", "/v1/rank", headers={"content-type": "text/plain"}, body=b"{}"), OWN
            )

    asyncio.run(script())


def test_while_bundles_swap_every_answer_is_of_one_of_them(bundles: Path, counter: Counter) -> None:
    counter.redis.sessions["s1"] = Remembered(session(10, 11), None, "")
    words: dict[str, str] = {}
    found: list[tuple[str, set[str]]] = []

    async def ask(until_done: asyncio.Event) -> None:
        asked = [name(at) for at in range(40)]
        while not until_done.is_set():
            answer = await rank(counter, session_id="s1", candidates=asked)
            texts = {item.reason.text for item in answer.items}
            found.append((answer.model.version, {word for word in ("First", "Second") if word in " ".join(texts)}))
            made = await counter.ranking.list("s1", counter.redis.sessions["s1"], Placement.default(), frozenset(), 30)
            assert made is not None
            texts = {item.reason.text for item in made.items}
            found.append((made.model.version, {word for word in ("First", "Second") if word in " ".join(texts)}))

    async def script() -> None:
        async with counter.running():
            words[counter.shelf.stocked.version] = "First"
            done = asyncio.Event()
            asking = [asyncio.create_task(ask(done)) for _ in range(8)]
            for swap in range(1, 5):
                counter.put(bundles / ("first", "second")[swap % 2])
                await until(_swapped(counter, swap))
                words.setdefault(counter.shelf.stocked.version, "Second")
            done.set()
            await asyncio.gather(*asking)

    asyncio.run(script())

    assert set(words.values()) == {"First", "Second"}
    assert {version for version, _ in found} == set(words)
    assert all(told == {words[version]} for version, told in found)


def test_between_two_rankings_whoever_waits_for_something_else_is_served() -> None:
    async def script() -> None:
        turns, served = Turns(), list[str]()
        ranking = [asyncio.create_task(turns.take(lambda: served.append("ranked"))) for _ in range(3)]
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(served.append, "polled")
        await asyncio.gather(*ranking)
        assert served.index("polled") < 2

    asyncio.run(script())


def test_more_than_can_be_ranked_is_refused_at_once() -> None:
    async def script() -> None:
        turns = Turns(waiting_max=1)
        asking = (turns.take(lambda: "ranked") for _ in range(3))
        ranked, waited, refused = await asyncio.gather(*asking, return_exceptions=True)
        assert (ranked, waited) == ("ranked", "ranked")
        assert isinstance(refused, ServiceError)
        assert await turns.take(lambda: "again") == "again"

    asyncio.run(script())


def test_a_ranking_is_answered_before_anybody_else_has_a_turn() -> None:
    async def script() -> None:
        turns, done = Turns(), list[str]()
        asyncio.get_running_loop().call_soon(done.append, "somebody else")
        assert await turns.take(lambda: "ranked") == "ranked"
        assert done == []

    asyncio.run(script())
