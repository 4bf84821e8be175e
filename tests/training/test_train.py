"""Training: the same log is the same bundle, and a bundle appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nextclick.sample import BUNDLE, CATALOGUE, TRAIN
from schemas import bundle as manifests
from schemas import click as wire
from schemas.click import Click
from schemas.errors import DataError, UsageError
from schemas.item import Item
from schemas.wire import EpochMs
from serving.state import bundles
from tests import worlds
from tests.worlds import NOW, name, session
from training import log, past
from training.catalogue import Catalogue
from training.train import train


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "log.ndjson"
    path.write_bytes(b"".join(wire.encode(click) + b"\n" for click in worlds.chain().clicks))
    return path


def test_the_same_log_gives_the_same_files(tmp_path: Path, events: Path) -> None:
    # given
    items = [Item(item_id=name(3), title="Third")]

    # when
    first = train(log.read([events]), items, tmp_path / "first", NOW, "one")
    second = train(log.read([events]), items, tmp_path / "second", NOW + 5, "two")

    # then
    assert first.files == second.files
    assert (first.version, first.counts_version) == (second.version, second.counts_version)
    assert first.golden == second.golden


def test_another_log_gives_another_version(tmp_path: Path, events: Path) -> None:
    # given
    first = train(log.read([events]), [], tmp_path / "first", NOW, "one")
    events.write_bytes(events.read_bytes() + b'{"session_id":"s0","item_id":"item-0001","ts":%d}\n' % (NOW + 99_000))

    # when
    second = train(log.read([events]), [], tmp_path / "second", NOW, "one")

    # then
    assert first.version != second.version
    assert first.data.log_sha256 != second.data.log_sha256


def test_a_trained_bundle_loads_and_knows_the_world(tmp_path: Path, events: Path) -> None:
    # given
    items = [Item(item_id=name(12), title="Twelfth"), Item(item_id="new", title="Never seen")]

    # when
    manifest = train(log.read([events]), items, tmp_path / "bundle", NOW, "train")
    ranker = bundles.load(tmp_path / "bundle")

    # then
    assert manifest.data.events == 4000
    assert (manifest.data.sessions, manifest.data.items) == (800, 40)
    assert ranker.version == manifest.version
    [answer] = ranker.rank([session([name(12)])], NOW)
    assert answer.items[0].item_id == name(13)
    assert answer.items[0].reason.text == "Viewed together with Twelfth"


def test_an_existing_directory_is_never_overwritten(tmp_path: Path, events: Path) -> None:
    train(log.read([events]), [], tmp_path / "bundle", NOW, "train")
    before = (tmp_path / "bundle" / manifests.MANIFEST).read_bytes()
    with pytest.raises(UsageError, match="never overwritten"):
        train(log.read([events]), [], tmp_path / "bundle", NOW + 1, "train")
    assert (tmp_path / "bundle" / manifests.MANIFEST).read_bytes() == before


@pytest.mark.parametrize("fatal", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
def test_an_interrupted_run_leaves_nothing(
    tmp_path: Path, events: Path, fatal: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: the third file cannot be written
    calls = 0

    def fail(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise fatal

    monkeypatch.setattr("os.fsync", fail)

    # when
    with pytest.raises((DataError, KeyboardInterrupt)):
        train(log.read([events]), [], tmp_path / "deep" / "bundle", NOW, "train")

    # then
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_session_without_consent_is_not_learned_from() -> None:
    # given
    clicks = [
        Click(event_id="1", session_id="a", type="view", ts=EpochMs(1), item_id="x"),
        Click(event_id="2", session_id="b", type="view", ts=EpochMs(1), item_id="y"),
        Click(event_id="3", session_id="b", type="view", ts=EpochMs(2), item_id="z", consent=False),
    ]

    # when
    before = past.gather(clicks, {})

    # then
    assert [before.table.ids[item] for item in before.sessions.items] == ["x"]


def test_a_session_is_in_the_order_of_time_then_of_rows() -> None:
    # given
    rows = [("a", "4", 9), ("b", "1", 5), ("a", "2", 3), ("a", "1", 9), ("b", "0", 5)]
    clicks = [
        Click(event_id=str(n), session_id=s, type="view", ts=EpochMs(ts), item_id=item)
        for n, (s, item, ts) in enumerate(rows)
    ]

    # when
    before = past.gather(clicks, {})

    # then
    assert [before.table.ids[item] for item in before.sessions.of(0)] == ["2", "4", "1"]
    assert [before.table.ids[item] for item in before.sessions.of(1)] == ["1", "0"]


def test_what_is_no_deed_is_not_learned_from() -> None:
    shown = Click(event_id="1", session_id="a", type="impression", ts=EpochMs(1), items=("x",))
    removed = Click(event_id="2", session_id="a", type="remove", ts=EpochMs(1), item_id="x")
    with pytest.raises(DataError, match="no event to learn from"):
        past.gather([shown, removed], {})


@pytest.mark.parametrize(
    ("items", "share"), [([[1, 2, 3]], 0.0), ([[1, 2, 1]], 0.5), ([[1, 1], [2, 3, 2]], 2 / 3), ([[1]], 0)]
)
def test_the_share_of_returns_is_counted(items: list[list[int]], share: float) -> None:
    world = worlds.World(4, tuple(tuple(each) for each in items))
    assert past.gather(world.clicks, {}).repeat_share == pytest.approx(share)


def test_the_demo_bundle_is_what_its_sample_trains(tmp_path: Path) -> None:
    # given
    committed = bundles.read_manifest(BUNDLE)

    # when
    manifest = train(log.read([TRAIN]), Catalogue(CATALOGUE), tmp_path / "bundle", NOW, committed.command)

    # then
    assert manifest.data == committed.data
    assert manifest.golden.sessions == committed.golden.sessions
    for file, claim in manifest.files.items():
        if file.endswith(".npy"):
            # Another processor may round a count otherwise in its last bit.
            ours, theirs = (np.load(directory / file) for directory in (tmp_path / "bundle", BUNDLE))
            assert np.isclose(ours, theirs, rtol=1e-3).mean() > 0.999, file
        else:
            assert claim == committed.files[file], file
