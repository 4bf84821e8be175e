"""A folder of bundles: what is in service changes at one stroke, and only to what was verified."""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from schemas.bundle import Manifest
from schemas.errors import BundleError, UsageError
from serving.ranking.bundle import Bundle
from serving.state import bundles, folder
from tests import worlds
from tests.kit.bundles import publish


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shelf = tmp_path_factory.mktemp("made")
    for seed, name in enumerate(("first", "second", "third")):
        publish(shelf / name, worlds.chain(seed=seed))
    return shelf


@pytest.fixture
def shelf(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "shelf")


def links(shelf: Path) -> dict[str, str]:
    return {path.name: os.readlink(path) for path in shelf.iterdir() if path.is_symlink()}


def test_bundles_are_activated_by_name_or_version_and_rolled_back(shelf: Path) -> None:
    first = folder.activate(shelf, "first")
    assert (first.was, first.now) == (None, "first")
    assert links(shelf) == {"current": "first"}

    version = bundles.read_manifest(shelf / "second").version
    second = folder.activate(shelf, version)
    assert (second.was, second.now, second.manifest.version) == ("first", "second", version)
    assert links(shelf) == {"current": "second", "previous": "first"}

    back = folder.rollback(shelf)
    assert (back.was, back.now) == ("second", "first")
    assert folder.rollback(shelf).now == "second"
    assert links(shelf) == {"current": "second", "previous": "first"}


def test_what_is_in_service_already_changes_nothing(shelf: Path) -> None:
    # given
    folder.activate(shelf, "first")
    folder.activate(shelf, "second")

    # when
    again = folder.activate(shelf, "second")

    # then
    assert (again.was, again.now) == ("second", "second")
    assert links(shelf) == {"current": "second", "previous": "first"}


def test_a_bad_bundle_is_not_activated(shelf: Path) -> None:
    # given
    folder.activate(shelf, "first")
    with (shelf / "second" / "items.ids.npy").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")

    # when
    with pytest.raises(BundleError) as refused:
        folder.activate(shelf, "second")

    # then
    assert refused.value.reason == "altered"
    assert links(shelf) == {"current": "first"}


def test_a_bundle_gone_bad_is_not_rolled_back_to(shelf: Path) -> None:
    folder.activate(shelf, "first")
    folder.activate(shelf, "second")
    shutil.rmtree(shelf / "first")
    with pytest.raises(BundleError, match="no bundle first"):
        folder.rollback(shelf)
    assert links(shelf)["current"] == "second"


def test_there_must_be_something_to_go_back_to(shelf: Path) -> None:
    folder.activate(shelf, "first")
    with pytest.raises(BundleError, match="bundle activate"):
        folder.rollback(shelf)


@pytest.mark.parametrize("name", ["", ".", "..", "current", "previous", "../first", "first/", ".first.k3v9x2aa"])
def test_a_name_that_leads_elsewhere_is_refused(shelf: Path, name: str) -> None:
    with pytest.raises(UsageError):
        folder.activate(shelf, name)
    assert links(shelf) == {}


def test_what_a_killed_training_left_is_no_bundle_by_any_name(shelf: Path) -> None:
    # given: whole, and of a version that nothing else there has
    version = bundles.read_manifest(shelf / "third").version
    (shelf / "third").rename(shelf / ".third.k3v9x2aa")

    # then
    with pytest.raises(UsageError, match="no name of a bundle"):
        folder.activate(shelf, ".third.k3v9x2aa")
    with pytest.raises(BundleError, match=f"no bundle {version}"):
        folder.activate(shelf, version)
    assert links(shelf) == {}


def test_an_unknown_bundle_and_a_folder_that_is_none_say_what_to_do(shelf: Path) -> None:
    with pytest.raises(BundleError, match="copy its directory there"):
        folder.activate(shelf, "0123456789ab")
    with pytest.raises(UsageError, match="name a folder"):
        folder.activate(shelf / "nowhere", "first")
    with pytest.raises(UsageError, match="name a folder"):
        folder.activate(shelf / "first" / "manifest.json", "first")


def test_a_directory_in_the_place_of_the_link_is_left_alone(shelf: Path) -> None:
    # given
    (shelf / "current").mkdir()

    # when
    with pytest.raises(BundleError):
        folder.activate(shelf, "first")

    # then
    assert links(shelf) == {}
    assert sorted(path.name for path in shelf.iterdir()) == ["current", "first", "second", "third"]


def test_whoever_looks_meanwhile_finds_a_whole_bundle_at_any_time(shelf: Path) -> None:
    # given
    folder.activate(shelf, "first")
    versions = {bundles.read_manifest(shelf / name).version for name in ("first", "second")}
    found: list[str] = []

    def read() -> None:
        while len(found) < 300:
            bundles.look(shelf)
            found.append(bundles.read_manifest(shelf).version)

    reader = threading.Thread(target=read)
    reader.start()

    # when
    turns = 0
    while reader.is_alive():
        turns += 1
        folder._point(shelf / "current", ("first", "second")[turns % 2])

    # then: no look failed, and both were seen
    assert len(found) == 300
    assert set(found) == versions
    assert turns > 100


def test_of_two_who_activate_at_once_neither_is_lost(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: both are ready to change the links at the same moment, if nothing makes one wait for the other
    folder.activate(shelf, "first")
    verified = {name: bundles.verify(shelf / name) for name in ("second", "third")}
    meet = threading.Barrier(2)
    point = folder._point

    def verify(directory: Path) -> tuple[Manifest, Bundle]:
        with suppress(threading.BrokenBarrierError):
            meet.wait(0.5)
        return verified[directory.name]

    def slowly(link: Path, name: str) -> None:
        time.sleep(0.2)
        point(link, name)

    monkeypatch.setattr(bundles, "verify", verify)
    monkeypatch.setattr(folder, "_point", slowly)
    others = [threading.Thread(target=folder.activate, args=(shelf, name)) for name in verified]

    # when
    for other in others:
        other.start()
    for other in others:
        other.join()

    # then: whoever came last is current, the other is what was before
    assert sorted(links(shelf).values()) == ["second", "third"]
