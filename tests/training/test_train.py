"""Training: the same log is the same bundle, any log is one or is refused, and a bundle appears whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from nextclick.sample import BUNDLE, CATALOGUE, TRAIN
from schemas import bundle as manifests
from schemas import click as wire
from schemas.bundle import Manifest
from schemas.errors import DataError, DiskError, PlaceError, UsageError
from schemas.item import Item
from serving.state import bundles
from tests import worlds
from tests.kit.logs import HEAD, MS, written
from tests.worlds import NOW, World, name, session
from training import learning, log
from training.catalogue import Catalogue
from training.learning import Told
from training.place import Place
from training.sequences import Layout
from training.train import Order, Stages, train

pytestmark = pytest.mark.usefixtures("small", "exported")


def silent(stage: str) -> Told:
    return lambda done, of: None


def order(*, max_minutes: float | None = None) -> Order:
    return Order("nextclick train", max_minutes=max_minutes)


def stages(
    out: Path,
    show: Callable[[str], Told] = silent,
    clock: Callable[[], float] | None = None,
    said: list[str] | None = None,
) -> Stages:
    ticks = count()
    return Stages(clock or (lambda: float(next(ticks))), show, ([] if said is None else said).append, Place(out))


def made(events: log.EventLog, out: Path, catalogue: Sequence[Item] = ()) -> Manifest:
    return train(events, catalogue, order(), NOW, stages(out))


def kept(path: Path, world: World) -> Path:
    path.write_bytes(b"".join(wire.encode(click) + b"\n" for click in world.clicks))
    return path


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return kept(tmp_path / "log.ndjson", worlds.chain())


@pytest.fixture
def learnable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain is large enough for a correction."""
    monkeypatch.setattr(learning, "LEAST", 400)


@pytest.mark.usefixtures("learnable")
def test_the_same_log_gives_the_same_files(tmp_path: Path, events: Path) -> None:
    # given
    items = [Item(item_id=name(3), title="Third")]

    # when
    first = made(log.read([events]), tmp_path / "first", items)
    again = train(log.read([events]), items, order(), NOW + 5, stages(tmp_path / "again"))

    # then
    assert first.parameters["order"] == "learned"
    assert first.files == again.files
    assert (first.version, first.counts_version) == (again.version, again.counts_version)
    assert first.golden == again.golden
    assert first.evaluation == again.evaluation


def test_another_log_or_seed_gives_another_version(tmp_path: Path, events: Path) -> None:
    # given
    first = made(log.read([events]), tmp_path / "first")
    seeded = Order("nextclick train", seed=1)

    # when
    reseeded = train(log.read([events]), [], seeded, NOW, stages(tmp_path / "seeded"))
    events.write_bytes(events.read_bytes() + b'{"session_id":"s0","item_id":"item-0001","ts":%d}\n' % (NOW + 99_000))
    second = made(log.read([events]), tmp_path / "second")

    # then
    assert len({first.version, second.version, reseeded.version}) == 3
    assert first.data.log_sha256 != second.data.log_sha256


class TestTheSizeOfALogDecides:
    """What is learned of it; a bundle it always is."""

    @pytest.mark.usefixtures("learnable")
    def test_large_enough_and_the_order_is_learned(self, tmp_path: Path, events: Path) -> None:
        # when
        manifest = made(log.read([events]), tmp_path / "bundle")

        # then
        ranker = bundles.load(tmp_path / "bundle")
        [answer] = ranker.rank([session([name(12)])], NOW)
        assert (manifest.parameters["order"], answer.fallback) == ("learned", None)
        assert (manifest.data.events, manifest.data.sessions, manifest.data.items) == (4000, 800, 39)
        assert manifest.parameters["fusion_predictions"] == 600
        assert {"fusion", "fusion_no_transformer", "transformer"} <= manifest.evaluation["rows"].keys()
        assert {"read", "base", "rehearsal", "refit", "export", "measure", "write", "report"} == manifest.seconds.keys()
        assert answer.vector is not None

    def test_too_small_and_ranks_are_fused_the_transformer_among_them(self, tmp_path: Path, events: Path) -> None:
        # when
        manifest = made(log.read([events]), tmp_path / "bundle")

        # then
        [answer] = bundles.load(tmp_path / "bundle").rank([session([name(12)])], NOW)
        assert (manifest.parameters["order"], answer.fallback) == ("reciprocal_rank", "reciprocal_rank")
        assert "encode.onnx" in manifest.files
        assert manifest.evaluation == {}
        assert name(13) in [item.item_id for item in answer.items[:5]]


LOGS = {
    "one session": "a,x,1\na,y,2\na,z,3\n",
    "two items": "a,x,1\na,y,2\nb,y,3\nb,x,4\n",
    "everything at once": "a,x,1\na,y,1\nb,y,1\nb,z,1\n",
    "clocks out of order": "a,x,9\nb,z,4\na,y,1\nb,x,8\na,z,5\n",
    "every row twice": "a,x,1\na,x,1\na,y,2\na,y,2\nb,y,3\nb,y,3\n",
}


@pytest.mark.parametrize("rows", LOGS)
def test_a_log_however_odd_becomes_a_bundle_that_verifies_and_ranks(tmp_path: Path, rows: str) -> None:
    # given
    events = written(tmp_path / "log.csv", HEAD + re.sub(r",(\d)$", rf",{MS}\1", LOGS[rows], flags=re.MULTILINE))

    # when
    made(log.read([events]), tmp_path / "bundle")

    # then
    ranker = bundles.load(tmp_path / "bundle")
    answers = ranker.rank([session([]), session(["x"]), session(["x", "y", "nobody"])], NOW)
    assert all(np.isfinite([item.score for item in answer.items]).all() for answer in answers)
    assert answers[0].items


def test_a_log_without_a_clock_becomes_a_bundle_that_says_so(tmp_path: Path) -> None:
    # given
    lines = written(tmp_path / "log.txt", "1 2 3\n2 3\n3 1 2\n" * 20)

    # when
    manifest = made(log.read([lines], layout=Layout.SESSIONS), tmp_path / "bundle")

    # then
    assert not manifest.data.clocked
    assert bundles.load(tmp_path / "bundle").rank([session(["1"])], NOW)[0].items


def test_a_catalogue_of_odd_prices_and_items_that_nobody_touched_does_no_harm(tmp_path: Path, events: Path) -> None:
    # given
    prices = (None, "0", "0.000001", "999999999999.999999")
    items = [Item(item_id=name(at), title=f"Thing {at}", price=price) for at, price in enumerate(prices)]

    # when
    manifest = made(log.read([events]), tmp_path / "bundle", [*items, Item(item_id="new", title="Never seen")])

    # then
    assert manifest.data.items == 40
    [answer] = bundles.load(tmp_path / "bundle").rank([session([name(1), "new"])], NOW)
    assert answer.items


def test_a_robot_is_left_out_and_counted(tmp_path: Path) -> None:
    # given: it clicks a hundred times a second
    robot = "".join(f"robot,i{at % 7},{MS + 10 * at}\n" for at in range(20_000))
    people = "".join(f"p{at},x,{MS + at}\np{at},y,{MS + at + 4_000}\n" for at in range(0, 90_000, 3_000))

    # when
    manifest = made(log.read([written(tmp_path / "log.csv", HEAD + robot + people)]), tmp_path / "bundle")

    # then
    assert manifest.parameters["sessions_left_out_by_bots"] == 1
    assert (manifest.data.sessions, manifest.data.items) == (30, 2)


NOTHINGS = {
    "empty": "",
    "a robot alone": f"robot,x,{MS}\n" * 5_000,
    "faults alone": "a,,1\n,x,1\n",
    "one item": f"a,x,{MS}\na,x,{MS}\nb,x,{MS}\n",
    "no step": f"a,x,{MS}\nb,y,{MS}\n",
}


@pytest.mark.parametrize("nothing", NOTHINGS)
def test_a_log_that_nothing_can_be_learned_of_is_refused_in_one_sentence(tmp_path: Path, nothing: str) -> None:
    with pytest.raises(DataError) as refused:
        made(log.read([written(tmp_path / "log.csv", HEAD + NOTHINGS[nothing])]), tmp_path / "bundle")
    assert "\n" not in str(refused.value)
    assert {path.name for path in tmp_path.iterdir()} == {"log.csv"}


def test_an_existing_directory_is_never_overwritten(tmp_path: Path, events: Path) -> None:
    made(log.read([events]), tmp_path / "bundle")
    before = (tmp_path / "bundle" / manifests.MANIFEST).read_bytes()
    with pytest.raises(UsageError, match="never overwritten"):
        made(log.read([events]), tmp_path / "bundle")
    assert (tmp_path / "bundle" / manifests.MANIFEST).read_bytes() == before


class TestInterrupted:
    def test_it_leaves_no_bundle_and_the_next_run_goes_on_to_the_same_one(self, tmp_path: Path, events: Path) -> None:
        # given
        through = made(log.read([events]), tmp_path / "through")
        out = tmp_path / "deep" / "bundle"
        told: list[tuple[str, int]] = []

        def watched(stage: str, cut_at: int | None = None) -> Told:
            def say(done: int, of: int) -> None:
                told.append((stage, done))
                if done == cut_at:
                    raise KeyboardInterrupt

            return say

        # when: it is interrupted in its third epoch of five
        with pytest.raises(KeyboardInterrupt):
            train(log.read([events]), [], order(), NOW, stages(out, lambda stage: watched(stage, 2)))
        left = [path.name for path in out.parent.iterdir()]
        told.clear()
        resumed = train(log.read([events]), [], order(), NOW, stages(out, watched))

        # then
        assert left == [".bundle.training"]
        assert told == [("refit", 3), ("refit", 4), ("refit", 5)]
        assert resumed.files == through.files
        assert [path.name for path in out.parent.iterdir()] == ["bundle"]

    def test_what_was_learned_of_another_log_is_not_gone_on_from(self, tmp_path: Path, events: Path) -> None:
        # given: the end of a run over one log, cut off while its bundle is written
        out = tmp_path / "bundle"

        def cut(stage: str) -> Told:
            if stage == "write":
                raise KeyboardInterrupt
            return silent(stage)

        with pytest.raises(KeyboardInterrupt):
            train(log.read([events]), [], order(), NOW, stages(out, cut))

        # when: of the other, as many sessions as long, of as many items
        other = kept(tmp_path / "other.ndjson", worlds.chain(seed=2))
        manifest = made(log.read([other]), out)

        # then
        assert manifest.files == made(log.read([other]), tmp_path / "afresh").files

    def test_what_was_left_out_for_the_time_is_decided_once_and_gone_on_with(
        self, tmp_path: Path, events: Path
    ) -> None:
        # given: interrupted in its second epoch, on a machine that seems slow
        ticks, out, told, said = count(), tmp_path / "bundle", list[int](), list[str]()

        def watched(stage: str) -> Told:
            def say(done: int, of: int) -> None:
                told.append(done)
                if done == 2 and len(told) == 2:
                    raise KeyboardInterrupt

            return say

        slow = stages(out, watched, lambda: 30.0 * next(ticks), said)
        with pytest.raises(KeyboardInterrupt):
            train(log.read([events]), [], order(max_minutes=4.0), NOW, slow)

        # when: it goes on where it seems quick
        manifest = train(log.read([events]), [], order(max_minutes=4.0), NOW, stages(out, watched, said=said))

        # then
        assert told[:3] == [1, 2, 3]
        assert 0 < manifest.data.sessions < 800
        assert [f"the newest {manifest.data.sessions} of 800 sessions" in each for each in said] == [True, True]
        assert "--max-minutes left out" in (out / "MODEL_CARD.md").read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        "fatal", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "Ctrl-C"]
    )
    def test_a_bundle_that_cannot_be_written_whole_does_not_appear(
        self, tmp_path: Path, events: Path, fatal: BaseException, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # given: the third file cannot be written
        calls = count(1)

        def fail(descriptor: int) -> None:
            if next(calls) == 3:
                raise fatal

        monkeypatch.setattr("os.fsync", fail)

        # when
        out = tmp_path / "deep" / "bundle"
        with pytest.raises((DiskError, KeyboardInterrupt)):
            made(log.read([events]), out)

        # then: but for what the next run goes on from
        assert [path.name for path in out.parent.iterdir()] == [".bundle.training"]

    def test_a_place_that_cannot_be_written_to_is_refused_with_what_to_do(self, tmp_path: Path, events: Path) -> None:
        with pytest.raises(PlaceError, match="--out"):
            made(log.read([events]), events / "bundle")


def test_less_time_than_the_log_takes_leaves_out_its_oldest_sessions_and_counts_them(
    tmp_path: Path, events: Path
) -> None:
    # given: every look at the clock finds it a minute later
    ticks = count()
    out = tmp_path / "bundle"
    timed = stages(out, clock=lambda: 60.0 * next(ticks))

    # when
    manifest = train(log.read([events]), [], order(max_minutes=1.0), NOW, timed)

    # then
    left_out = manifest.parameters["sessions_left_out_by_max_minutes"]
    assert isinstance(left_out, int)
    assert 0 < left_out == 800 - manifest.data.sessions
    assert manifest.data.first_ts > NOW or manifest.data.sessions < 800
    bundles.load(out)


@pytest.mark.quality
@pytest.mark.timeout(1800)
def test_the_demo_bundle_is_what_its_sample_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: nothing small, nothing exported before
    monkeypatch.undo()
    committed = bundles.read_manifest(BUNDLE)

    # when
    asked = Order(committed.command)
    manifest = train(log.read([TRAIN]), Catalogue(CATALOGUE), asked, NOW, stages(tmp_path / "bundle"))

    # then
    assert manifest.data == committed.data
    assert manifest.files.keys() == committed.files.keys()
    for file in manifest.files:
        if file.endswith(".npy"):
            # Another processor may round a count otherwise in its last bit.
            ours, theirs = (np.load(directory / file) for directory in (tmp_path / "bundle", BUNDLE))
            assert ours.shape == theirs.shape, file
            if ours.dtype.kind in "iu" and ".counts" not in file:
                assert (ours == theirs).mean() > 0.99, file
