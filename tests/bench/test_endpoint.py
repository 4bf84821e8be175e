"""What the endpoint does in what time; server, Redis, Kafka, worker and load are on the same machine."""

from __future__ import annotations

import asyncio
import gc
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache

import msgspec
import pytest

from nextclick.answers import percentile
from nextclick.bench import conditions, poll, visitors
from nextclick.bench.trial import Trial
from nextclick.endpoint import SERVE
from nextclick.servers import Guardian
from schemas.settings import Settings
from serving.state.redis import RedisSessionStore
from tests.kit.client import Client, Reply
from tests.kit.endpoint import Endpoint
from tests.kit.shop import ITEMS, Shop
from tests.kit.worker import BUNDLE

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

SECONDS = 20
#: A broker that has just begun takes twice the processor time for a record.
WARMING_S = 30


Pages = Callable[[str], Mapping[str, str]]


@pytest.fixture
def opened(shop: Shop) -> tuple[Settings, str]:
    """Every check on, and nobody over a limit."""
    return poll.opened(replace(shop.settings, bundle=str(BUNDLE)), 1)


@pytest.fixture
def endpoint(opened: tuple[Settings, str], guardian: Guardian) -> Iterator[Endpoint]:
    print(f"\n{conditions.line('uvloop', 'httptools', 'redis', 'aiokafka')}; security on; {conditions.load()}")
    made = Endpoint(guardian, opened[0])
    made.await_ready()
    yield made
    assert made.stop() == 0


@pytest.fixture
def page(opened: tuple[Settings, str]) -> Pages:
    """What the page of a session shows of itself."""

    @cache
    def shown(session_id: str) -> Mapping[str, str]:
        [visitor] = visitors.admitted(*opened, [session_id])
        return visitor.headers

    return shown


@pytest.mark.parametrize("processes", [1, 2])
def test_polling_stored_lists(settings: Settings, processes: int) -> None:
    chosen, key = poll.opened(replace(settings, bundle=str(BUNDLE)), processes)
    with Trial(chosen, SERVE) as trial:
        beside = f"{processes} processes of the endpoint, security on"
        print(f"\n{trial.conditions('uvloop', 'httptools', 'redis', beside=beside)}")
        found = poll.measure(trial, key, 1_000, (2_500, 5_000), SECONDS)
    for line in found.lines():
        print(line)
    assert all(set(each.statuses) == {200, 304} for each in found.polled)
    assert found.peak is None or found.peak.failed == 0


def test_reading_your_own_click(shop: Shop, endpoint: Endpoint, page: Pages) -> None:
    with_worker = shop.worker()
    with_worker.await_assigned()

    async def own_click(client: Client, number: int) -> Reply:
        session = f"own{number % 400}"
        click = {"event_id": secrets.token_hex(8), "session_id": session, "item_id": ITEMS[number % len(ITEMS)]}
        posted = await client.ask("POST", "/v1/events", msgspec.json.encode({**click, "type": "view"}), **page(session))
        [accepted] = posted.json()["accepted"]
        return await client.ask(
            "GET", f"/v1/recommendations/{session}?after={accepted['position']}", b"", **page(session)
        )

    for rate in (50, 200):
        took, replies = played(endpoint, own_click, rate)
        behind = sum("nextclick-behind" in reply.headers for reply in replies)
        told(f"own click, {rate}/s", took)
        print(f"  {behind} of {len(replies)} were answered with a list that did not know it")
        assert {reply.status for reply in replies} == {200}


def test_ranking_on_demand(shop: Shop, endpoint: Endpoint, page: Pages) -> None:
    clicks = shop.clicks(1_200, 300)
    asyncio.run(visitors.stock(replace(shop.settings, bundle=str(BUNDLE)), clicks))
    sessions = sorted({click.session_id for click in clicks})
    wanted = msgspec.json.encode([ITEMS[at % len(ITEMS)] for at in range(len(ITEMS))][:200])

    async def rank(client: Client, number: int) -> Reply:
        session = sessions[number % len(sessions)]
        body = b'{"session_id":"%b","candidates":%b}' % (session.encode(), wanted)
        return await client.ask("POST", "/v1/rank", body, Content_Type="application/json", **page(session))

    for rate in (50, 300):
        took, replies = played(endpoint, rank, rate)
        told(f"ranking {len(msgspec.json.decode(wanted))} candidates, {rate}/s", took)
        assert {reply.status for reply in replies} == {200}


def test_a_thousand_streams(shop: Shop, endpoint: Endpoint, page: Pages) -> None:
    clicks = shop.clicks(2_000, 1_000)
    settings = replace(shop.settings, bundle=str(BUNDLE))
    drafts = asyncio.run(visitors.stock(settings, clicks))
    sessions = sorted({click.session_id for click in clicks})
    arrived: dict[str, list[float]] = {name: [] for name in sessions}

    async def listen(name: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port, limit=2**20)
        heads = "".join(f"{header}: {value}\r\n" for header, value in page(name).items())
        writer.write(f"GET /v1/recommendations/{name}/stream HTTP/1.1\r\nHost: shop\r\n{heads}\r\n".encode())
        try:
            while line := await reader.readline():
                if line.startswith(b"data:"):
                    arrived[name].append(time.perf_counter())
        finally:
            writer.close()

    took_s: list[float] = []

    async def whole() -> float:
        listening = [asyncio.create_task(listen(name)) for name in sessions]
        await until(lambda: all(arrived.values()))
        print(f"  {sum(map(bool, arrived.values())):,} streams have their first list")
        store = RedisSessionStore(settings.redis)
        stored_s = time.perf_counter()
        await store.store(drafts)  # once more, and so each rises by a revision
        took_s.append(time.perf_counter() - stored_s)
        await store.close()
        await until(lambda: all(len(each) > 1 for each in arrived.values()))
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        return stored_s

    stored_s = asyncio.run(whole())
    memory = endpoint.process.memory_info().rss / 2**20
    lasts = [each[-1] - stored_s for each in arrived.values() if len(each) > 1]
    print(
        f"  {len(lasts):,} of {len(sessions):,} were told of the next, the last {max(lasts):.3f} s after all began "
        f"to be stored, which took {took_s[0]:.3f} s; {memory:.0f} MiB in one process"
    )
    assert len(lasts) == len(sessions)


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        await asyncio.sleep(0.1)


def played(
    endpoint: Endpoint, ask: Callable[[Client, int], Awaitable[Reply]], rate: int
) -> tuple[list[float], list[Reply]]:
    """What each took, in ms, from when it was due."""

    async def one(client: Client, number: int, due_s: float, took: list[float]) -> Reply:
        reply = await ask(client, number)
        took.append(1_000 * (time.perf_counter() - due_s))
        return reply

    async def stretch(client: Client, seconds: int) -> tuple[list[float], list[Reply]]:
        took: list[float] = []
        tasks, begun_s = [], time.perf_counter()
        for number in range(rate * seconds):
            due_s = begun_s + number / rate
            if (early_s := due_s - time.perf_counter()) > 0:
                await asyncio.sleep(early_s)
            tasks.append(asyncio.create_task(one(client, number, due_s, took)))
        return took, await asyncio.gather(*tasks)

    async def whole() -> tuple[list[float], list[Reply]]:
        # What pytest has loaded is looked through for garbage in 50 ms, which would be told of the endpoint.
        gc.freeze()
        async with Client(endpoint.port) as client:
            await stretch(client, WARMING_S)
            return await stretch(client, SECONDS)

    return asyncio.run(whole())


def told(what: str, took: list[float]) -> None:
    p50, p90, p99 = (percentile(took, share) for share in (0.5, 0.9, 0.99))
    print(f"  {what}: {len(took):,} times, p50 {p50:.2f} ms, p90 {p90:.2f} ms, p99 {p99:.2f} ms")
