"""Following a place: every new bundle is seen whole or not at all, and a bad one is tried once."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from schemas.errors import BundleError
from serving.state import bundles, folder
from serving.state.bundles import Mark
from serving.state.following import Following
from tests import worlds
from tests.kit.bundles import publish

T = TypeVar("T")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shelf = tmp_path_factory.mktemp("made")
    for seed, name in enumerate(("first", "second", "third")):
        publish(shelf / name, worlds.chain(seed=seed))
    return shelf


@pytest.fixture
def shelf(made: Path, tmp_path: Path) -> Path:
    shelf = shutil.copytree(made, tmp_path / "shelf")
    folder.activate(shelf, "first")
    return shelf


def following(place: Path, script: Callable[[Following], Awaitable[T]]) -> T:
    """What comes of the script, with a follower that has taken the first bundle."""
    follower = Following(place, look_every_s=0.005)
    follower.first()

    async def run() -> T:
        async with asyncio.timeout(20):
            return await script(follower)

    return asyncio.run(run())


class Looks:
    """How followers look at places, so that a test can wait until they have."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._made = threading.Semaphore(0)
        look = bundles.look

        def counted(place: Path) -> Mark:
            self._made.release()
            return look(place)

        monkeypatch.setattr(bundles, "look", counted)

    def more(self, count: int) -> None:
        while self._made.acquire(blocking=False):
            pass
        for _ in range(count):
            self._made.acquire(timeout=2)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(monkeypatch)


async def nothing_comes(follower: Following, looks: Looks) -> None:
    """However often it looks, and it would take two looks to load a bundle."""
    coming = asyncio.create_task(follower.next())
    await asyncio.to_thread(looks.more, 6)
    assert not coming.done()
    coming.cancel()
    with suppress(asyncio.CancelledError):
        await coming


def version(bundle: Path) -> str:
    return bundles.read_manifest(bundle).version


def test_what_is_activated_comes_next_and_only_once(shelf: Path, looks: Looks) -> None:
    async def script(follower: Following) -> None:
        await nothing_comes(follower, looks)
        folder.activate(shelf, "second")
        assert (await follower.next()).version == version(shelf / "second")
        assert follower.made_at == bundles.read_manifest(shelf / "second").created_at
        await nothing_comes(follower, looks)
        folder.rollback(shelf)
        assert (await follower.next()).version == version(shelf / "first")

    following(shelf, script)


def test_a_directory_that_takes_the_place_of_another_comes_next(shelf: Path) -> None:
    place = shelf / "first"

    async def script(follower: Following) -> None:
        place.rename(shelf / "away")
        (shelf / "second").rename(place)
        assert (await follower.next()).version == version(place)

    following(place, script)


def test_a_bad_bundle_is_refused_once_with_its_reason_and_the_next_good_one_comes(shelf: Path, looks: Looks) -> None:
    with (shelf / "second" / "items.titles.npy").open("r+b") as file:
        file.truncate(100)

    async def script(follower: Following) -> None:
        folder._point(shelf / "current", "second")  # as an operator might, who asks nobody
        with pytest.raises(BundleError) as refused:
            await follower.next()
        assert refused.value.reason == "altered"
        assert "items.titles.npy" in str(refused.value)
        await nothing_comes(follower, looks)
        assert follower.refuses
        folder.activate(shelf, "third")
        assert (await follower.next()).version == version(shelf / "third")
        assert not follower.refuses

    following(shelf, script)


def test_who_goes_back_from_a_bad_bundle_to_the_one_that_ranks_has_nothing_refused(shelf: Path, looks: Looks) -> None:
    (shelf / "second" / "ranker.json").write_bytes(b"{}")

    async def script(follower: Following) -> None:
        folder._point(shelf / "current", "second")
        with pytest.raises(BundleError):
            await follower.next()
        folder.activate(shelf, "first")
        await nothing_comes(follower, looks)
        assert not follower.refuses

    following(shelf, script)


def test_a_bad_bundle_that_is_mended_in_its_place_is_tried_again(shelf: Path) -> None:
    part = shelf / "second" / "ranker.json"
    whole = part.read_bytes()
    part.write_bytes(b"{}")

    async def script(follower: Following) -> None:
        folder._point(shelf / "current", "second")
        with pytest.raises(BundleError):
            await follower.next()
        part.write_bytes(whole)
        assert (await follower.next()).version == version(shelf / "second")

    following(shelf, script)


def test_a_bundle_that_is_still_being_copied_is_left_alone_until_it_is_whole(shelf: Path) -> None:
    place = shelf / "first"

    async def script(follower: Following) -> None:
        coming = asyncio.create_task(follower.next())
        shutil.rmtree(place)
        place.mkdir()
        for part in sorted((shelf / "second").iterdir()):
            await asyncio.sleep(0.001)  # quicker than it is looked at
            shutil.copy(part, place / part.name)
        assert (await coming).version == version(shelf / "second")

    following(place, script)


def test_a_bundle_that_goes_is_refused_and_what_comes_back_is_no_news(shelf: Path, looks: Looks) -> None:
    async def script(follower: Following) -> None:
        (shelf / "current").unlink()
        with pytest.raises(BundleError) as refused:
            await follower.next()
        assert refused.value.reason == "missing"
        os.symlink("first", shelf / "current")
        await nothing_comes(follower, looks)

    following(shelf, script)


def test_a_first_bundle_that_is_bad_is_not_followed(shelf: Path) -> None:
    (shelf / "first" / "ranker.json").unlink()
    with pytest.raises(BundleError):
        Following(shelf).first()
