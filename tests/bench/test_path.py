"""From a click's intended send time to a subscriber's receipt of the first list that knows it."""

from __future__ import annotations

import asyncio
import time
from itertools import count

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from nextclick.bench import conditions
from schemas import recommendation
from schemas.click import encode
from tests.kit.shop import Shop

pytestmark = pytest.mark.bench

SECONDS = 8
SESSIONS = 200


@pytest.mark.parametrize("rate", [100, 500, 1_000])
def test_click_to_recommendation(shop: Shop, rate: int) -> None:
    worker = shop.worker()
    worker.await_assigned()
    asyncio.run(_play(shop, rate=50, seconds=2))  # warms the worker up

    latencies, unanswered = asyncio.run(_play(shop, rate, SECONDS))

    spent = sorted(latencies)
    shares = {name: spent[min(len(spent) - 1, int(len(spent) * share))] for name, share in SHARES.items()}
    told = ", ".join(f"{name} {value:.1f} ms" for name, value in shares.items())
    print(
        f"\n{conditions.line('faust-streaming', 'aiokafka', 'redis')}; one worker, broker, Redis and load on the same"
    )
    print(f"{rate} clicks/s open loop for {SECONDS} s over {SESSIONS} sessions: {told}; {unanswered} unanswered")
    assert unanswered == 0
    assert worker.stop() == 0


SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


async def _play(shop: Shop, rate: int, seconds: int) -> tuple[list[float], int]:
    clicks = shop.clicks(rate * seconds, SESSIONS)
    servers = shop.settings.kafka
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", linger_ms=0)
    consumer = AIOKafkaConsumer(shop.names.recommendations, bootstrap_servers=servers, auto_offset_reset="latest")
    await producer.start()
    await consumer.start()
    #: Partition -> (offset, intended time) of clicks not yet answered, in the order of their offsets.
    open_clicks: dict[tuple[str, int], float] = {}
    latencies: list[float] = []

    async def listen() -> None:
        async for message in consumer:
            received = time.perf_counter()
            known = recommendation.decode(message.value or b"")
            for version in count(known.session_version, -1):
                intended = open_clicks.pop((known.session_id, version), None)
                if intended is None:
                    break
                latencies.append((received - intended) * 1_000)

    listener = asyncio.create_task(listen())
    await asyncio.sleep(1)
    versions: dict[str, int] = {}
    started = time.perf_counter()
    sent = []
    for number, click in enumerate(clicks):
        intended = started + number / rate
        await asyncio.sleep(max(0.0, intended - time.perf_counter()))
        versions[click.session_id] = versions.get(click.session_id, 0) + 1
        open_clicks[click.session_id, versions[click.session_id]] = intended
        sent.append(await producer.send(shop.names.clickstream, encode(click), key=click.session_id.encode()))
    await asyncio.gather(*sent)
    for _ in range(50):
        if not open_clicks:
            break
        await asyncio.sleep(0.1)
    listener.cancel()
    await consumer.stop()
    await producer.stop()
    return latencies, len(open_clicks)
