"""Nobody asks more often than they may, whichever process they ask; and a Redis that is away refuses nobody."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextclick.servers import Guardian
from schemas import keys
from schemas.errors import NextclickError, RedisError
from schemas.settings import RedisUrl
from serving.http.buckets import Bucket, Buckets, By, Rate, Shortage
from serving.http.limits import Limits, answers, question
from serving.state.gathered import Gathered
from serving.state.limits import BUCKET_GRACE_MS
from serving.state.pipeline import Call, Pipeline, Reply
from tests.kit import rungs
from tests.kit.doors import Remembering
from tests.kit.redis_server import FLEETING, RedisServer

#: So slow that no token comes back while a test runs.
SLOW = Rate(1, 3)
NOW_US = 1_800_000_000_000_000
#: More tries than a Redis that is back needs to be noticed.
_TRIES = 600

rates = st.builds(Rate, st.integers(1, 5_000), st.integers(1, 40))


def one(rate: Rate, by: By = "address") -> Bucket:
    """A bucket of this test alone: Redis is shared."""
    return rate.bucket(by, keys.bucket(by, secrets.token_hex(8)))


@given(rates, st.lists(st.integers(0, 2_000_000), max_size=60))
def test_nobody_gets_more_than_the_burst_and_what_has_come_since(rate: Rate, pauses: list[int]) -> None:
    own, bucket, now = Buckets(), one(rate), NOW_US
    got = 0
    for pause in pauses:
        now += pause
        got += own.take([bucket], now) is None
        assert got <= rate.burst + (now - NOW_US) / bucket.interval_us


@given(rates, st.integers(1, 60))
def test_whoever_asks_no_oftener_than_the_rate_is_never_refused(rate: Rate, times: int) -> None:
    own, bucket = Buckets(), one(rate)
    assert [own.take([bucket], NOW_US + n * bucket.interval_us) for n in range(times)] == [None] * times


@given(rates, st.integers(0, 1_000_000))
def test_whoever_is_refused_is_admitted_when_told_and_not_before(rate: Rate, later: int) -> None:
    own, bucket = Buckets(), one(rate)
    for _ in range(rate.burst):
        assert own.take([bucket], NOW_US) is None

    shortage = own.take([bucket], NOW_US + later % bucket.interval_us)

    assert shortage is not None
    due = NOW_US + later % bucket.interval_us + shortage.wait_us
    assert own.take([bucket], due - 1) is not None
    assert own.take([bucket], due) is None


def test_a_request_that_is_refused_takes_nothing() -> None:
    own, wide, narrow = Buckets(), one(Rate(1, 9)), one(Rate(1, 1), "session")
    assert own.take([wide, narrow], NOW_US) is None

    for _ in range(20):
        assert own.take([wide, narrow], NOW_US) == Shortage("session", narrow.interval_us)

    assert [own.take([wide], NOW_US) for _ in range(8)] == [None] * 8


@given(rates, st.integers(NOW_US, 2**53))
def test_a_clock_that_was_set_back_empties_a_bucket_at_the_worst(rate: Rate, full_at: int) -> None:
    own, bucket = Buckets(), one(rate)
    own.full_at[bucket.name] = full_at

    shortage = own.take([bucket], NOW_US)

    assert shortage is None or shortage.wait_us <= bucket.interval_us


def test_memory_is_bounded_and_who_asks_on_is_not_forgotten() -> None:
    own, busy = Buckets(kept_max=100), one(SLOW)
    for n in range(1_000):
        own.take([one(SLOW)], NOW_US)
        assert (own.take([busy], NOW_US) is None) == (n < SLOW.burst)
        assert len(own.full_at) <= 100


def with_redis(url: str, work: Callable[[Pipeline], Awaitable[None]]) -> None:
    async def whole() -> None:
        pipeline = Pipeline(RedisUrl(url))
        try:
            await work(pipeline)
        finally:
            await pipeline.close()

    asyncio.run(whole())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("redis_url", ["server", "embedded", "cluster"], indirect=True)
def test_lua_and_python_admit_and_refuse_the_same(redis_url: str, seed: int) -> None:
    random = Random(seed)
    buckets = [one(Rate(random.choice((1, 50, 900, 7_000)), random.choice((1, 2, 10)))) for _ in range(6)]
    # Whose tokens come so quickly that the last microsecond decides.
    buckets.append(Bucket(keys.bucket("key", secrets.token_hex(8)), "key", 1, 2))
    own = Buckets()
    met: set[bool] = set()

    async def whole(pipeline: Pipeline) -> None:
        # What another clock left behind: one bucket that is full since long, and one that seems empty for years.
        for bucket, full_at in zip(buckets, (NOW_US // 2, NOW_US * 3), strict=False):
            await pipeline.run([Call(("SET", bucket.name, full_at, "PX", 60_000))])
            own.full_at[bucket.name] = full_at
        for _ in range(150):
            requests = [random.sample(buckets, random.randint(1, 4)) for _ in range(random.choice((1, 1, 5, 40)))]
            (reply,) = await pipeline.run([question(requests)])
            assert isinstance(reply, list)
            expected = [own.take(request, int(reply[0])) for request in requests]
            assert answers(requests, reply) == expected
            met.update(each is None for each in expected)

    with_redis(redis_url, whole)

    assert met == {True, False}


class Counted:
    """A pipeline that counts its questions."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.questions = 0

    async def each(self, calls: Sequence[Call]) -> list[Reply | NextclickError]:
        self.questions += 1
        return await self._pipeline.each(calls)


async def ready(pipeline: Pipeline) -> None:
    """Connected, and with the script loaded: a loaded machine may need long for it."""
    await pipeline.run([question([])])


@pytest.mark.parametrize("redis_url", ["server", "cluster"], indirect=True)
def test_whoever_asks_many_at_once_gets_the_burst_and_all_of_it_in_two_questions(redis_url: str) -> None:
    bucket, watch = one(SLOW), Remembering()

    async def whole(pipeline: Pipeline) -> None:
        await ready(pipeline)
        counted = Counted(pipeline)
        asked = Limits(Gathered(counted), watch, lambda: NOW_US)

        fates = await asyncio.gather(*(asked.take([bucket]) for _ in range(200)))

        assert fates.count(None) == SLOW.burst
        assert all(fate is None or 0 < fate.wait_us <= bucket.interval_us for fate in fates)
        assert counted.questions <= 2
        assert (watch.refusals["address"], watch.here) == (200 - SLOW.burst, 0)

    with_redis(redis_url, whole)


def test_processes_share_what_may_be_asked(redis_url: str) -> None:
    bucket = one(SLOW)

    async def whole(pipeline: Pipeline) -> None:
        await ready(pipeline)
        processes = [Limits(Gathered(pipeline), Remembering(), lambda: NOW_US) for _ in range(4)]
        fates = await asyncio.gather(*(each.take([bucket]) for each in processes for _ in range(5)))
        assert fates.count(None) == SLOW.burst

    with_redis(redis_url, whole)


def test_a_bucket_lives_in_redis_until_it_is_full_again(redis_url: str) -> None:
    bucket = one(SLOW)

    async def whole(pipeline: Pipeline) -> None:
        await Limits(Gathered(pipeline), Remembering(), lambda: NOW_US).take([bucket])
        (left_ms,) = await pipeline.run([Call(("PTTL", bucket.name))])
        assert isinstance(left_ms, int)
        assert 0 < left_ms <= bucket.interval_us // 1_000 + BUCKET_GRACE_MS

    with_redis(redis_url, whole)


def test_whoever_leaves_while_redis_is_asked_takes_nobody_along(redis_url: str) -> None:
    async def whole(pipeline: Pipeline) -> None:
        asked = Limits(Gathered(pipeline), Remembering(), lambda: NOW_US)
        leaver, *stayers = [asked.take([one(SLOW)]) for _ in range(6)]
        await asyncio.sleep(0)
        leaver.cancel()
        assert await asyncio.gather(*stayers) == [None] * 5

    with_redis(redis_url, whole)


class Doubted:
    """A Redis that is being asked whether it answers, which takes it some time."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()

    async def each(self, calls: Sequence[Call]) -> list[Reply | NextclickError]:
        await self.answers.wait()
        return [[b"0", b"0"]]


def test_who_is_counted_here_meanwhile_takes_nobody_along_whose_question_is_on_its_way() -> None:
    watch, redis = Remembering(), Doubted()

    async def whole() -> None:
        asked = Limits(Gathered(redis, lambda: True), watch, lambda: NOW_US)
        finder = asked.take([one(SLOW)])
        await asyncio.sleep(0.01)
        assert [await asked.take([one(SLOW)]) for _ in range(3)] == [None] * 3
        assert (watch.here, finder.done()) == (3, False)

        redis.answers.set()

        assert await asyncio.wait_for(finder, 20) is None

    asyncio.run(whole())


class Absent:
    """A Redis that is away until it is back."""

    def __init__(self) -> None:
        self.back = False

    async def each(self, calls: Sequence[Call]) -> list[Reply | NextclickError]:
        if not self.back:
            raise RedisError("Redis does not answer; check that it runs")
        return [[b"0", b"0" * (1 if calls[0].arguments[2] else 0)]]


def test_without_redis_each_process_counts_by_itself_and_says_so() -> None:
    bucket, watch = one(SLOW), Remembering()

    async def whole() -> None:
        asked = Limits(Gathered(Absent()), watch, lambda: NOW_US)
        fates = [await asked.take([bucket]) for _ in range(5)]

        assert fates == [None] * SLOW.burst + [Shortage("address", bucket.interval_us)] * 2
        assert (watch.refusals["address"], watch.here) == (2, 5)

    asyncio.run(whole())


def test_all_who_wait_when_redis_goes_are_counted_here() -> None:
    watch = Remembering()

    async def whole() -> None:
        asked = Limits(Gathered(Absent()), watch, lambda: NOW_US)
        fates = await asyncio.gather(*(asked.take([one(SLOW)]) for _ in range(1_000)))

        assert fates == [None] * 1_000
        assert watch.here == 1_000

    asyncio.run(whole())


def test_a_redis_that_is_back_counts_again() -> None:
    watch, redis = Remembering(), Absent()

    async def whole() -> None:
        asked = Limits(Gathered(redis), watch, lambda: NOW_US)
        await asked.take([one(SLOW)])
        redis.back = True
        await until_counted_there(asked, watch)

    asyncio.run(whole())


async def until_counted_there(asked: Limits, watch: Remembering) -> None:
    for _ in range(_TRIES):
        before = watch.here
        await asked.take([one(SLOW)])
        if watch.here == before:
            return
        await asyncio.sleep(0.05)
    pytest.fail("Redis is back, and still not asked")


@pytest.fixture
def own(guardian: Guardian) -> Iterator[RedisServer]:
    rungs.demand("redis-server")
    server = RedisServer(guardian, "redis-of-the-limits", FLEETING)
    yield server
    server.resume()
    server.kill()


@pytest.mark.parametrize("gone", ["frozen", "killed"])
def test_a_redis_that_is_gone_refuses_nobody_and_counts_again_when_it_is_there(own: RedisServer, gone: str) -> None:
    watch = Remembering()

    async def whole(pipeline: Pipeline) -> None:
        await ready(pipeline)
        asked = Limits(Gathered(pipeline), watch, lambda: NOW_US)
        await until_counted_there(asked, watch)

        # when
        await asyncio.to_thread(own.pause if gone == "frozen" else own.kill)
        before = watch.here
        fates = await asyncio.gather(*(asked.take([one(SLOW)]) for _ in range(50)))

        # then
        assert fates == [None] * 50
        assert watch.here == before + 50
        await asyncio.to_thread(own.resume if gone == "frozen" else own.start)
        await until_counted_there(asked, watch)

    with_redis(own.url, whole)
