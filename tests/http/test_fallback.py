"""What is shown where there is no list: never nothing while anything is known, and the same for whoever is unknown."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from schemas import jsonschema, recommendation
from schemas.item import Entry, Item
from schemas.placement import DEFAULT, Placement
from schemas.recommendation import ANYBODY
from tests import worlds
from tests.http.counter import Counter
from tests.kit.bundles import publish
from tests.kit.patience import until
from tests.worlds import NOW, name

PLAIN = Placement.default()
HOME = Placement(name="home", per_brand=3)
EMPTY = Placement(name="quiet", fallback="nothing")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made") / "bundle"
    publish(made, worlds.shelves())
    return made


def test_it_is_a_recommendation_that_names_nobody(bundle: Path) -> None:
    async def script() -> None:
        counter = Counter(bundle)
        async with counter.running():
            made = counter.fallback.made(PLAIN, 30)
            body = recommendation.decode(made.body)
            assert (body.session_id, body.session_version, body.fallback) == (ANYBODY, 0, "popular")
            assert (len(body.items), body.placement) == (30, DEFAULT)
            assert set(msgspec.json.decode(made.body)) == set(
                msgspec.json.decode(jsonschema.files()["recommendation.json"])["$defs"]["Recommendation"]["properties"]
            )

    asyncio.run(script())


def test_the_bytes_are_made_once_until_what_is_to_be_had_changes(bundle: Path) -> None:
    async def script() -> None:
        counter = Counter(bundle)
        async with counter.running():
            before = counter.fallback.made(PLAIN, 30)
            assert counter.fallback.made(PLAIN, 30) is before
            best = recommendation.decode(before.body).items[0].item_id
            counter.topic.there.append(Entry(best, None))
            await until(lambda: counter.shelf.stocked.gone([best]) == {best})
            after = counter.fallback.made(PLAIN, 30)
            assert best.encode() not in after.body
            assert after.etag != before.etag
            assert len(recommendation.decode(after.body).items) == 30

    asyncio.run(script())


def test_a_placements_rules_its_limit_and_what_is_excluded_hold(bundle: Path) -> None:
    async def script() -> None:
        counter = Counter(bundle, {"home": HOME, "quiet": EMPTY})
        async with counter.running():
            home = recommendation.decode(counter.fallback.made(HOME, 30).body)
            assert (len(home.items), home.placement) == (6, "home"), "of two brands, three each"
            few = counter.fallback.list(PLAIN, 5, exclude=frozenset({home.items[0].item_id}))
            assert len(few.items) == 5
            assert home.items[0].item_id not in {each.item_id for each in few.items}

    asyncio.run(script())


def test_a_placement_that_rather_shows_nothing_says_that_it_shows_nothing(bundle: Path) -> None:
    async def script() -> None:
        counter = Counter(bundle, {"quiet": EMPTY})
        async with counter.running():
            made = counter.fallback.made(EMPTY, 30)
            body = recommendation.decode(made.body)
            assert (body.items, body.fallback, made.fallback) == ((), "nothing", "nothing")
            assert counter.fallback.made(EMPTY, 30, "redis").fallback == "redis"

    asyncio.run(script())


def test_processes_with_the_same_bundle_and_catalogue_give_the_same_bytes(bundle: Path) -> None:
    gone = [Entry(name(at), None) for at in (3, 7)]

    def told(counter: Counter) -> list[bytes]:
        excluding = counter.fallback.list(PLAIN, 30, exclude=frozenset({name(1)}))
        made = [counter.fallback.made(*asked) for asked in ((PLAIN, 30), (PLAIN, 5), (HOME, 30), (PLAIN, 30, "redis"))]
        return [*(each.body for each in made), recommendation.encode(excluding)]

    async def script() -> None:
        old, new = (Counter(bundle, {"home": HOME}) for _ in range(2))
        async with old.running():
            before = told(old)
            old.topic.there += gone
            await until(lambda: len(old.shelf.stocked.gone([name(3), name(7)])) == 2)
            new.topic.there = [*gone]
            new.at += 40 * 60_000
            async with new.running():
                old.at += 10_000
                after = told(new)
                assert told(old) == after
        assert not set(before) & set(after)
        named = [recommendation.decode(each) for each in before + after]
        assert len({each.recommendation_id for each in named}) == len(named)
        assert {each.generated_at for each in named} == {NOW - NOW % 3_600_000}

    asyncio.run(script())


def test_what_is_announced_within_the_hour_comes_with_the_next_from_every_process(tmp_path: Path) -> None:
    world, best = worlds.shelves(), name(1)
    announced = [replace(each, created_at=NOW + 60_000) if each.item_id == best else each for each in world.goods]
    publish(tmp_path / "bundle", dataclasses.replace(world, goods=tuple(announced)))

    async def script() -> None:
        early, late = (Counter(tmp_path / "bundle") for _ in range(2))
        late.at += 40 * 60_000
        async with early.running(), late.running():
            body = early.fallback.made(PLAIN, 30).body
            assert best.encode() not in body
            assert late.fallback.made(PLAIN, 30).body == body
            late.at += 3_600_000
            assert best.encode() in late.fallback.made(PLAIN, 30).body

    asyncio.run(script())


def test_it_is_ranked_anew_soon_after_something_went_though_nothing_follows(bundle: Path) -> None:
    async def script() -> None:
        counter = Counter(bundle)
        async with counter.running():
            best = recommendation.decode(counter.fallback.made(PLAIN, 30).body).items[0].item_id
            counter.topic.there.append(Entry(best, None))
            await until(lambda: counter.shelf.stocked.gone([best]) == {best})
            filtered = counter.fallback.made(PLAIN, 30)
            assert counter.fallback.made(PLAIN, 30) is filtered
            counter.at += 10_000
            anew = counter.fallback.made(PLAIN, 30)
            assert recommendation.decode(anew.body).pool_size < recommendation.decode(filtered.body).pool_size
            assert counter.fallback.made(PLAIN, 30) is anew

    asyncio.run(script())


def test_every_hour_it_is_ranked_as_of_then(bundle: Path) -> None:
    async def script() -> None:
        counter = Counter(bundle)
        async with counter.running():
            before = counter.fallback.made(PLAIN, 30)
            counter.at += 3_600_000
            after = counter.fallback.made(PLAIN, 30)
            assert after.generated_at - before.generated_at == 3_600_000

    asyncio.run(script())


def test_it_is_never_empty_while_any_item_is_known(tmp_path: Path) -> None:
    async def script() -> None:
        counter = Counter(tmp_path / "nothing")
        counter.topic.there = [Entry(each, Item(item_id=each)) for each in ("a", "b")]
        async with counter.running():
            body = counter.fallback.list(PLAIN, 30)
            assert ([each.item_id for each in body.items], body.fallback) == (["a", "b"], "bundle")
            counter.topic.there.append(Entry("a", None))
            await until(lambda: counter.shelf.offered == ["b"])
            assert [each.item_id for each in counter.fallback.list(PLAIN, 30).items] == ["b"]

    asyncio.run(script())


def test_what_is_back_is_in_it_again_where_it_was_short(bundle: Path) -> None:
    async def script() -> None:
        counter = Counter(bundle)
        every = [name(at) for at in range(40)]
        counter.topic.there = [Entry(each, None) for each in every[1:]]
        async with counter.running():
            assert [each.item_id for each in counter.fallback.list(PLAIN, 30).items] == every[:1]
            counter.topic.there += [Entry(each, Item(item_id=each)) for each in every[1:]]
            await until(lambda: not counter.shelf.stocked.gone(every))
            assert len(counter.fallback.list(PLAIN, 30).items) == 30

    asyncio.run(script())


def test_a_refused_bundle_takes_nothing_from_it(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "place").symlink_to(bundle)
    (tmp_path / "ill").mkdir()

    async def script() -> None:
        counter = Counter(tmp_path / "place")
        async with counter.running():
            before = counter.fallback.made(PLAIN, 30)
            counter.put(tmp_path / "ill")
            await until(lambda: counter.shelf.degraded == {"bundle"})
            assert counter.fallback.made(PLAIN, 30) is before

    asyncio.run(script())
