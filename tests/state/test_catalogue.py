"""The topic is followed in full: to its end, then for ever, past what says nothing, through a broker that restarts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import pytest
from aiokafka import AIOKafkaProducer

from schemas.errors import KafkaError
from schemas.item import Entry, Item, encode
from schemas.settings import Settings
from schemas.topics import Topics
from serving.state import catalogue as following
from serving.state import topics
from serving.state.catalogue import Catalogue
from tests.kit import topic
from tests.kit.rungs import Kafka

pytestmark = pytest.mark.kafka


class Followed:
    """A topic, who follows it, and what that one has heard so far."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.name = Topics.named(settings.topic_prefix).catalog
        self.heard: list[Entry] = []
        self.unreadable: Counter[str] = Counter()

    def say(self, *entries: Entry | tuple[bytes | None, bytes | None]) -> None:
        records = [_record(each) if isinstance(each, Entry) else each for each in entries]
        topic.produce(self.settings.kafka, self.name, [(key, value, ()) for key, value in records])

    def play(self, script: Callable[[Catalogue], Awaitable[object]]) -> None:
        async def whole() -> None:
            count = lambda reason: self.unreadable.update([reason])  # noqa: E731
            catalogue = Catalogue(self.settings, self.name, count)
            try:
                async with asyncio.timeout(60):
                    await script(catalogue)
            finally:
                await catalogue.close()

        asyncio.run(whole())

    async def read(self, catalogue: Catalogue) -> None:
        while not catalogue.caught_up:
            self.heard += await catalogue.next()

    async def hear(self, catalogue: Catalogue, count: int) -> None:
        while len(self.heard) < count:
            self.heard += await catalogue.next()


def _record(entry: Entry) -> tuple[bytes, bytes | None]:
    return entry.item_id.encode(), None if entry.item is None else encode(entry.item)


def items(*names: str) -> list[Entry]:
    return [Entry(each, Item(item_id=each)) for each in names]


@pytest.fixture
def followed(settings: Settings) -> Followed:
    topics.create(settings, 30)
    return Followed(settings)


def test_all_that_is_there_is_read_before_it_is_caught_up_and_then_what_comes(followed: Followed) -> None:
    there = items(*(f"item-{number}" for number in range(3_000)))
    followed.say(*there)

    async def script(catalogue: Catalogue) -> None:
        assert not catalogue.caught_up
        await followed.read(catalogue)
        assert sorted(entry.item_id for entry in followed.heard) == sorted(entry.item_id for entry in there)
        followed.heard.clear()
        await asyncio.to_thread(followed.say, Entry("item-7", None))
        await followed.hear(catalogue, 1)
        await asyncio.to_thread(followed.say, *items("item-7"))
        await followed.hear(catalogue, 2)

    followed.play(script)

    assert followed.heard == [Entry("item-7", None), *items("item-7")]


def test_a_topic_without_a_record_is_read_at_once(followed: Followed) -> None:
    followed.play(followed.read)
    assert followed.heard == []


def test_of_an_item_the_last_word_comes_last(followed: Followed) -> None:
    followed.say(*(entry for number in range(200) for entry in (*items("lamp", f"rug-{number}"), Entry("lamp", None))))
    followed.play(followed.read)
    assert [entry for entry in followed.heard if entry.item_id == "lamp"][-1] == Entry("lamp", None)


def test_records_that_say_nothing_of_any_item_are_counted_and_passed_over(followed: Followed) -> None:
    wrong: Sequence[tuple[bytes, bytes | None]] = [
        (b"a", b"no json"), (b"b", encode(Item(item_id="c"))), (b"\xff", None), (b"d", b'{"item_id":"d","price":1}')
    ]  # fmt: skip
    followed.say(*wrong, *items("lamp"), *wrong)
    followed.play(followed.read)
    assert followed.heard == items("lamp")
    assert followed.unreadable == {"not_json": 2, "key": 4, "invalid": 2}


@pytest.mark.needs("strict")
def test_what_a_transaction_took_back_was_never_said_and_its_end_is_reached(followed: Followed) -> None:
    async def transactions() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=followed.settings.kafka, transactional_id=followed.name)
        await producer.start()
        async with producer.transaction():
            await producer.send_and_wait(followed.name, encode(Item(item_id="kept")), key=b"kept")
        await producer.begin_transaction()
        await producer.send_and_wait(followed.name, encode(Item(item_id="lost")), key=b"lost")
        await producer.abort_transaction()
        await producer.stop()

    asyncio.run(transactions())
    followed.play(followed.read)
    assert followed.heard == items("kept")


def test_a_topic_that_is_not_there_is_an_error_that_says_what_to_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_ASK_S", 1.0)
    with pytest.raises(KafkaError, match="nextclick topics create"):
        Followed(settings).play(lambda catalogue: catalogue.next())


@pytest.mark.needs("ours", "durable")
def test_a_broker_that_was_away_is_followed_on_and_nothing_is_heard_twice(followed: Followed, kafka: Kafka) -> None:
    server = kafka.server
    assert server is not None
    followed.say(*items("lamp", "rug"))

    async def script(catalogue: Catalogue) -> None:
        await followed.read(catalogue)
        await asyncio.to_thread(server.stop)
        for _ in range(10):
            followed.heard += await catalogue.next()  # of a broker that is away nothing comes
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(followed.say, Entry("rug", None))
        await followed.hear(catalogue, 3)
        followed.heard += await catalogue.next()

    followed.play(script)

    assert sorted(followed.heard[:2], key=lambda entry: entry.item_id) == items("lamp", "rug")
    assert followed.heard[2:] == [Entry("rug", None)]
