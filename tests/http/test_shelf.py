"""An endpoint's shelf: it answers with or without a good bundle, and what the catalogue takes back is gone."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.bundle import MANIFEST
from schemas.item import Entry, Item
from serving.ranking.assortment import Assortment
from tests import worlds
from tests.http.counter import Counter
from tests.kit.bundles import publish
from tests.kit.patience import until
from tests.worlds import name


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made")
    publish(made / "first", worlds.chain(seed=1))
    publish(made / "second", worlds.chain(seed=2))
    return made


def missing(bundle: Path) -> None:
    shutil.rmtree(bundle)


def truncated(bundle: Path) -> None:
    file = bundle / "items.ids.npy"
    file.write_bytes(file.read_bytes()[:-1])


def altered(bundle: Path) -> None:
    file = bundle / "counts.ever.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def without_manifest(bundle: Path) -> None:
    (bundle / MANIFEST).write_bytes(b"{}")


ILL = [missing, truncated, altered, without_manifest]


@pytest.mark.parametrize("spoil", ILL)
def test_it_answers_without_a_good_bundle_and_takes_the_first_good_one_up(
    bundles: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    ill = shutil.copytree(bundles / "first", tmp_path / "ill")
    spoil(ill)
    (tmp_path / "place").symlink_to(ill)

    async def script() -> None:
        counter = Counter(tmp_path / "place")
        async with counter.running():
            assert counter.shelf.degraded == {"bundle"}
            assert not len(counter.shelf.stocked.ranker.table)
            counter.put(bundles / "first")
            await until(lambda: not counter.shelf.degraded)
            assert len(counter.shelf.stocked.ranker.table) == 40
            assert counter.count("nextclick_model", version=counter.shelf.stocked.version) == 1

    asyncio.run(script())


@pytest.mark.parametrize("spoil", ILL)
def test_a_bad_one_is_refused_and_the_one_in_service_stays_until_a_good_one_comes(
    bundles: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    ill = shutil.copytree(bundles / "second", tmp_path / "ill")
    spoil(ill)
    (tmp_path / "place").symlink_to(bundles / "first")

    async def script() -> None:
        counter = Counter(tmp_path / "place")
        async with counter.running():
            first = counter.shelf.stocked
            assert counter.shelf.degraded == frozenset()
            counter.put(ill)
            await until(lambda: counter.shelf.degraded == {"bundle"})
            assert counter.shelf.stocked is first
            counter.put(bundles / "second")
            await until(lambda: counter.shelf.stocked is not first)
            assert counter.shelf.stocked.version != first.version
            assert counter.shelf.degraded == frozenset()

    asyncio.run(script())


def test_without_a_bundle_it_knows_some_items_of_the_catalogue(tmp_path: Path) -> None:
    async def script() -> None:
        counter = Counter(tmp_path / "nothing")
        counter.topic.there = [Entry(each, Item(item_id=each)) for each in ("a", "b", "c")] + [Entry("b", None)]
        async with counter.running():
            assert counter.shelf.offered == ["a", "c"]
            before = counter.shelf.edition
            counter.topic.there.append(Entry("d", Item(item_id="d")))
            await until(lambda: counter.shelf.offered == ["a", "c", "d"])
            assert counter.shelf.edition != before

    asyncio.run(script())


def test_what_is_gone_is_told_by_its_id_whether_the_bundle_knows_it_or_not(bundles: Path, tmp_path: Path) -> None:
    (tmp_path / "place").symlink_to(bundles / "first")

    async def script() -> None:
        counter = Counter(tmp_path / "place")
        asked = [name(11), name(12), "stranger", "nobody"]
        async with counter.running():
            assert counter.shelf.stocked.gone(asked) == set()
            before = counter.shelf.edition
            counter.topic.there += [Entry(name(11), None), Entry("stranger", None)]
            await until(lambda: counter.shelf.stocked.gone(asked) == {name(11), "stranger"})
            assert counter.shelf.edition != before

            counter.put(bundles / "second")
            await until(lambda: counter.count("nextclick_bundle_swaps_total") == 1)
            assert counter.shelf.stocked.gone(asked) == {name(11), "stranger"}

            counter.topic.there += [Entry(each, Item(item_id=each)) for each in (name(11), "stranger")]
            await until(lambda: counter.shelf.stocked.gone(asked) == set())

    asyncio.run(script())


def test_without_kafka_it_answers_with_the_bundle_alone_and_hides_what_it_hears_of_later(
    bundles: Path, tmp_path: Path
) -> None:
    (tmp_path / "place").symlink_to(bundles / "first")

    async def script() -> None:
        counter = Counter(tmp_path / "place")
        counter.topic.away = 1_000_000
        counter.topic.hide(11)
        async with counter.running(at_most_s=0.05):
            assert counter.shelf.degraded == {"kafka"}
            assert len(counter.shelf.stocked.ranker.table) == 40
            counter.topic.away = 0
            await until(lambda: not counter.shelf.degraded)
            assert counter.shelf.stocked.gone([name(11)]) == {name(11)}

    asyncio.run(script())


def test_the_same_edition_is_the_same_answer() -> None:
    assortment = Assortment(worlds.ranker(worlds.chain()))
    assortment.take([Entry(name(11), None), Entry("stranger", None)])
    before = assortment.stocked.absent.changes
    assortment.take([Entry(name(11), None), Entry("stranger", None), Entry(name(12), Item(item_id=name(12)))])
    assert assortment.stocked.absent.changes == before, "nothing went and nothing came"
    assortment.take([Entry("stranger", Item(item_id="stranger"))])
    assert assortment.stocked.absent.changes == before + 1
