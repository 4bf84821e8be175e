"""What ranks is in step with the catalogue: before it begins, while it works, and when another takes its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from schemas.item import Entry, Item
from serving.ranking.ranker import Ranker
from serving.state.patience import Patience
from serving.state.stock import GROW_EVERY_S, Stock
from stream.metrics import Metrics
from stream.ranking import Ranks
from tests import worlds
from tests.kit.patience import until
from tests.kit.told import Topic
from tests.worlds import NOW, name, session


class Ranking:
    """Who ranks, and what was said to be gone."""

    def __init__(self) -> None:
        self.ranks: list[Ranks] = []
        self.missed: set[str] = set()

    async def succeed(self, ranker: Ranks) -> Ranks:
        self.ranks.append(ranker)
        return self.ranks[-1]

    def miss(self, item_ids: Iterable[str]) -> None:
        self.missed.update(item_ids)

    def shows(self, item: int) -> bool:
        [answer] = self.ranks[-1].rank([session([name(10)])], NOW)
        return name(item) in {each.item_id for each in answer.items}


def ranker() -> Ranker:
    return worlds.ranker(worlds.chain())


class Shop:
    """A topic, a stock that follows it, and who ranks with that."""

    def __init__(self) -> None:
        self.topic, self.ranking = Topic(), Ranking()
        self.metrics = Metrics(CollectorRegistry())
        self.now_s = 0.0
        patience, endless = (Patience(budget_s, lambda: 0.0, _at_once) for budget_s in (45, 1e9))
        self.stock = Stock(ranker(), self.topic.follow, self.ranking, patience, endless, self.clock, self.metrics)

    def clock(self) -> float:
        return self.now_s

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.stock.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _at_once(seconds: float) -> None:
    await asyncio.sleep(0)


def play(script: Callable[[Shop], Awaitable[None]]) -> Shop:
    async def whole() -> Shop:
        shop = Shop()
        await script(shop)
        return shop

    return asyncio.run(whole())


def test_it_does_not_open_before_all_is_read_that_is_there() -> None:
    async def script(shop: Shop) -> None:
        shop.topic.hide(*range(20, 30))
        shop.topic.away = 5
        await shop.stock.open()
        assert not any(shop.ranking.shows(item) for item in range(20, 30))
        assert shop.ranking.shows(19)

    assert play(script).ranking.missed == set(), "nobody has a list yet"


def test_it_is_an_excuse_as_long_as_it_is_read_and_none_once_it_is_open() -> None:
    async def script(shop: Shop) -> None:
        assert shop.stock.excuse() is None, "nothing was read yet"
        shop.topic.there = [Entry("of no account", None)] * 100_000
        opening = asyncio.create_task(shop.stock.open())
        await until(lambda: bool(shop.topic.readers[0].at))
        assert (shop.stock.is_open, shop.stock.excuse()) == (False, "reading the catalogue")
        shop.topic.away = 1_000_000
        await asyncio.sleep(0.01)
        shop.stock.excuse()
        await asyncio.sleep(0.01)
        assert shop.stock.excuse() is None, "nothing more was read"
        shop.topic.away = 0
        await opening
        assert (shop.stock.is_open, shop.stock.excuse()) == (True, None)

    play(script)


def test_it_follows_what_comes_and_says_what_is_gone() -> None:
    async def script(shop: Shop) -> None:
        await shop.stock.open()
        async with shop.running():
            assert shop.ranking.shows(11)
            shop.topic.away = 5
            shop.topic.hide(11)
            await until(lambda: not shop.ranking.shows(11))
            await until(lambda: shop.ranking.missed == {name(11)})
            shop.topic.there.append(Entry(name(11), Item(item_id=name(11))))
            await until(lambda: shop.ranking.shows(11))

    shop = play(script)
    assert shop.metrics.registry.get_sample_value("nextclick_catalogue_entries_total") == 2


def test_what_changes_of_an_item_is_known_to_whoever_ranks_but_not_at_every_change() -> None:
    def reasons(shop: Shop) -> set[str]:
        [answer] = shop.ranking.ranks[-1].rank([session([name(10)])], NOW)
        return {item.reason.text for item in answer.items}

    async def script(shop: Shop) -> None:
        shop.topic.there = [Entry(name(10), Item(item_id=name(10), title="The first"))]
        await shop.stock.open()
        assert "Viewed together with The first" in reasons(shop)
        async with shop.running():
            shop.topic.there.append(Entry(name(10), Item(item_id=name(10), title="The second")))
            await until(lambda: shop.topic.readers[0].at == 2)
            await asyncio.sleep(0.05)
            assert len(shop.ranking.ranks) == 1, "it has just been made anew"
            shop.now_s += GROW_EVERY_S
            await until(lambda: "Viewed together with The second" in reasons(shop))
            await asyncio.sleep(0.05)
            assert len(shop.ranking.ranks) == 2

    play(script)


def test_another_bundle_knows_the_whole_catalogue_when_it_takes_over_and_is_followed_from_there() -> None:
    async def script(shop: Shop) -> None:
        shop.topic.hide(11, 12, 13)
        await shop.stock.open()
        async with shop.running():
            await shop.stock.succeed(ranker())
            assert len(shop.ranking.ranks) == 2
            assert not any(shop.ranking.shows(item) for item in (11, 12, 13))
            assert [reader.closed for reader in shop.topic.readers] == [True, False]
            shop.topic.hide(14)
            await until(lambda: not shop.ranking.shows(14))
            assert shop.ranking.ranks[1] is shop.ranking.ranks[-1]

    play(script)


def test_what_is_hidden_while_another_bundle_reads_is_gone_from_both() -> None:
    async def script(shop: Shop) -> None:
        await shop.stock.open()
        async with shop.running():
            shop.topic.hide(*range(30, 39))  # there when it begins to read
            switched = asyncio.create_task(shop.stock.succeed(ranker()))
            shop.topic.hide(12)
            await until(lambda: not shop.ranking.shows(12))
            await switched
            await until(lambda: not shop.ranking.shows(12))

    play(script)


def test_what_only_the_next_bundle_was_told_of_is_looked_for_in_the_lists_of_the_one_before() -> None:
    async def script(shop: Shop) -> None:
        await shop.stock.open()
        shop.topic.hide(12)
        await shop.stock.succeed(ranker())

    assert play(script).ranking.missed == {name(12)}
