"""Bundles on disk: a whole one loads, and outlives its directory."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from serving.state import bundles
from tests import worlds
from tests.kit.bundles import DOCUMENTS, publish
from tests.kit.copies import Copy
from tests.worlds import NOW, name, session


def test_a_whole_bundle_loads_and_answers(whole: Path) -> None:
    # when
    manifest, found = bundles.verify(whole)
    ranker = found.ranker

    # then
    assert (ranker.version, ranker.counts_version) == (manifest.version, manifest.counts_version)
    assert bundles.read_manifest(whole) == manifest
    [answer] = ranker.rank([session([name(10)])], NOW)
    assert name(11) in [item.item_id for item in answer.items[:5]]


def test_a_file_beside_the_bundle_is_not_looked_at(copy: Copy) -> None:
    (copy.path / ".DS_Store").write_bytes(b"x")
    bundles.load(copy.path)


def test_documents_are_vouched_for_and_no_part_of_the_version(tmp_path: Path, whole: Path) -> None:
    # when
    other = publish(tmp_path / "other", worlds.chain(), {"report.html": b"<!doctype html> 7 seconds later"})

    # then
    assert other.version == bundles.read_manifest(whole).version
    assert bundles.read_manifest(whole).documents.keys() == DOCUMENTS.keys()


def test_a_folder_of_bundles_stands_for_its_current_one(tmp_path: Path) -> None:
    # given
    manifest = publish(tmp_path / "first", worlds.chain())
    (tmp_path / "current").symlink_to("first")

    # then
    assert bundles.verify(tmp_path)[0] == manifest
    assert bundles.verify(tmp_path / "current")[0] == manifest
    assert bundles.look(tmp_path) == bundles.look(tmp_path / "first")


def test_a_folder_without_a_current_one_says_how_to_choose(tmp_path: Path) -> None:
    publish(tmp_path / "first", worlds.chain())
    refusal = Copy(tmp_path).refusal()
    assert (refusal.reason, "bundle activate" in refusal.detail) == ("missing", True)


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("gone")
    assert Copy(tmp_path).refusal().reason == "missing"


def test_what_is_mapped_outlives_its_directory(copy: Copy) -> None:
    # given
    ranker = bundles.load(copy.path)
    before = ranker.rank([session([name(10)])], NOW)

    # when
    shutil.rmtree(copy.path)

    # then
    assert ranker.rank([session([name(10)])], NOW) == before


def test_a_ranker_that_is_dropped_lets_go_of_its_files(copy: Copy) -> None:
    # given
    bundles.load(copy.path)
    before = _held(copy.path)

    # when
    rankers = [bundles.load(copy.path) for _ in range(5)]
    during = _held(copy.path)
    rankers.clear()

    # then
    assert during > before
    assert _held(copy.path) == before


def _held(place: Path) -> int:
    """Of our open files those in there: what other tests left open, the garbage collector closes at any time."""
    ours = {(each.stat().st_dev, each.stat().st_ino) for each in place.rglob("*")}
    held = 0
    for descriptor in os.listdir("/dev/fd"):
        with suppress(OSError):  # it was that of this listing
            told = os.fstat(int(descriptor))
            held += (told.st_dev, told.st_ino) in ours
    return held


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    refusal = Copy(tmp_path / "nowhere").refusal()
    assert refusal.reason == "missing"
