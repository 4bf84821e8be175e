"""Laws of the way into the clickstream, on a Kafka of paper."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from schemas.errors import KafkaError
from schemas.session import Position
from schemas.topics import Topics
from serving.state.clickstream import Clickstream, Landed
from serving.state.producer import Outgoing, Placed, Undelivered

NAMES = Topics.named("")
NOW = 1_700_000_000_000
CLICK = Outgoing(NAMES.clickstream, b"s1", b"{}")


class Kafka:
    """One partition of one topic."""

    def __init__(self) -> None:
        self.epoch = "0badcafe"
        self.end = 0
        self.away = False
        #: It takes records, but does not say what topic they are in.
        self.is_silent = False
        #: Of a request's records, how many it takes.
        self.takes = 100
        self.starts = self.sends = self.asks = 0
        #: For so many turns of the loop the next answer is under way; each is quicker than the one before.
        self.turns = 0
        self.answering = asyncio.Event()
        self.answering.set()

    async def start(self) -> None:
        self.starts += 1
        if self.away:
            raise KafkaError("away")

    async def send(self, records: Sequence[Outgoing]) -> list[Placed]:
        self.sends += 1
        await self.answering.wait()
        if self.away:
            raise Undelivered("away", [None] * len(records))
        placed = [Placed(0, self.end + at, NOW) for at in range(min(self.takes, len(records)))]
        self.end += len(placed)
        turns, self.turns = self.turns, max(0, self.turns - 1)
        for _ in range(turns):
            await asyncio.sleep(0)
        if len(placed) < len(records):
            raise Undelivered("full", [*placed, *[None] * (len(records) - len(placed))])
        return placed

    async def stop(self) -> None:
        if self.away:
            raise KafkaError("away")

    async def ask(self) -> str:
        self.asks += 1
        if self.away or self.is_silent:
            raise KafkaError("away")
        return self.epoch

    def make_anew(self, epoch: str) -> None:
        self.epoch, self.end = epoch, 0


async def opened(kafka: Kafka) -> Clickstream:
    clickstream = Clickstream(kafka, NAMES, kafka.ask)
    await clickstream.open()
    return clickstream


def at(epoch: str, offset: int) -> Landed:
    return Landed(Position(epoch, 0, offset), NOW)


def test_what_kafka_took_of_a_request_is_told_beside_what_it_did_not() -> None:
    async def whole() -> None:
        kafka = Kafka()
        clickstream = await opened(kafka)
        kafka.takes = 2
        assert await clickstream.send([CLICK] * 3) == [at("0badcafe", 0), at("0badcafe", 1), None]
        assert clickstream.is_away

    asyncio.run(whole())


def test_before_it_is_open_nothing_is_taken_and_nobody_waits() -> None:
    async def whole() -> None:
        kafka = Kafka()
        kafka.away = True
        clickstream = Clickstream(kafka, NAMES, kafka.ask)
        assert clickstream.is_away
        assert await clickstream.send([CLICK]) == [None]
        assert kafka.sends == 0
        await clickstream.close()

    asyncio.run(whole())


def test_nothing_is_taken_whose_position_could_not_be_told() -> None:
    async def whole() -> None:
        kafka = Kafka()
        kafka.is_silent = True
        clickstream = Clickstream(kafka, NAMES, kafka.ask)
        running = asyncio.create_task(clickstream.run())
        await asyncio.sleep(0.01)
        assert (await clickstream.send([CLICK]), kafka.sends, clickstream.is_away) == ([None], 0, True)
        kafka.is_silent = False
        async with asyncio.timeout(10):
            while clickstream.is_away:  # noqa: ASYNC110 - what is waited for is the code under test
                await asyncio.sleep(0.01)
        running.cancel()
        assert kafka.starts == 1
        assert await clickstream.send([CLICK]) == [at("0badcafe", 0)]

    asyncio.run(whole())


def test_while_kafka_is_away_one_request_tries_and_the_others_are_told_at_once() -> None:
    async def whole() -> None:
        kafka = Kafka()
        clickstream = await opened(kafka)
        kafka.away = True
        assert await clickstream.send([CLICK]) == [None]
        # when
        kafka.answering.clear()
        first = asyncio.create_task(clickstream.send([CLICK]))
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert await clickstream.send([CLICK]) == [None]
        # then
        assert kafka.sends == 2
        kafka.away = False
        kafka.answering.set()
        assert await first == [at("0badcafe", 0)]
        assert not clickstream.is_away
        assert await clickstream.send([CLICK]) == [at("0badcafe", 1)]

    asyncio.run(whole())


def test_it_asks_again_until_kafka_is_back() -> None:
    async def whole() -> None:
        kafka = Kafka()
        kafka.away = True
        clickstream = Clickstream(kafka, NAMES, kafka.ask)
        running = asyncio.create_task(clickstream.run())
        await asyncio.sleep(0.01)
        assert await clickstream.send([CLICK]) == [None]
        kafka.away = False
        async with asyncio.timeout(10):
            while clickstream.is_away:  # noqa: ASYNC110 - what is waited for is the code under test
                await asyncio.sleep(0.01)
        running.cancel()
        assert kafka.starts == 2
        assert await clickstream.send([CLICK]) == [at("0badcafe", 0)]

    asyncio.run(whole())


def test_a_position_below_what_was_told_is_of_another_topic() -> None:
    async def whole() -> None:
        kafka = Kafka()
        clickstream = await opened(kafka)
        await clickstream.send([CLICK] * 5)
        kafka.make_anew("feedface")
        assert await clickstream.send([CLICK]) == [at("feedface", 0)]
        assert await clickstream.send([CLICK]) == [at("feedface", 1)]
        assert kafka.asks == 2, "it is asked once"

    asyncio.run(whole())


def test_requests_that_are_answered_out_of_order_raise_no_doubt() -> None:
    async def whole() -> None:
        kafka = Kafka()
        clickstream = await opened(kafka)
        kafka.turns = 20
        landed = await asyncio.gather(*(clickstream.send([CLICK]) for _ in range(20)))
        assert sorted(each.position.offset for (each,) in landed if each is not None) == list(range(20))
        assert kafka.asks == 1

    asyncio.run(whole())
