"""Where a bundle is trained into: one training at a time, and what a killed one left is nobody's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.errors import BusyError, DiskError, PlaceError, UsageError
from tests.kit.command import ROOT
from training.place import Place, untaken

FILES = {"a.npy": b"a" * 1_000, "manifest.json": b"{}"}

#: Holds the place, writes half a bundle, says so, and goes on for ever.
HALFWAY = """
import sys, time
from pathlib import Path
from training import place
def stuck(path, data):
    path.write_bytes(data)
    print("half", flush=True)
    time.sleep(600)
place._write = stuck
at = place.Place(Path(sys.argv[1]))
with at.held():
    at.publish({"manifest.json": b"{}", "b": b""})
"""


def test_a_bundle_appears_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    place = Place(tmp_path / "deep" / "bundle")
    with place.held():
        place.publish(FILES)
    assert {path.name: path.read_bytes() for path in place.out.iterdir()} == FILES
    assert [path.name for path in place.out.parent.iterdir()] == ["bundle"]


def test_of_two_trainings_into_one_place_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    first, second = Place(tmp_path / "bundle"), Place(tmp_path / "bundle")
    with first.held():
        with pytest.raises(BusyError, match=f"process {os.getpid()} is training into"), second.held():
            pass
        with Place(tmp_path / "other").held():
            pass
    with second.held():
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_training_left_is_no_bundle_and_the_next_clears_it_away(tmp_path: Path) -> None:
    # given
    out = tmp_path / "bundle"
    command = [sys.executable, "-c", HALFWAY, str(out)]
    killed = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert killed.stdout
    with killed.stdout:
        assert killed.stdout.readline() == "half\n"
        with pytest.raises(BusyError, match=f"process {killed.pid}"), Place(out).held():
            pass

        # when
        killed.send_signal(signal.SIGKILL)
        killed.wait(60)

    # then: only what begins with a dot is there
    assert [path.name for path in tmp_path.iterdir()] == [".bundle.training"]
    with Place(out).held():
        Place(out).publish(FILES)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_what_was_begun_outlives_who_began_it(tmp_path: Path) -> None:
    place = Place(tmp_path / "bundle")
    with place.held():
        assert not place.begun()
        (place.folder / "0123").mkdir()
        (place.folder / "0123" / "base.pt").touch()
    with place.held():
        assert place.begun()
        place.forget()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_made_and_one_that_is_taken_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PlaceError, match="--out"), Place(tmp_path / "file" / "bundle").held():
        pass
    (tmp_path / "nowhere").symlink_to("gone")
    for taken in ("file", "nowhere"):
        with pytest.raises(UsageError, match="never overwritten"):
            untaken(tmp_path / taken)


def test_a_disk_that_fills_up_ends_it_without_half_a_bundle(tmp_path: Path) -> None:
    place = Place(tmp_path / "bundle")
    with place.held(), pytest.raises(DiskError, match="make room"):
        place.publish({"a.npy": b"", "no such directory/b.npy": b""})
    assert list(tmp_path.iterdir()) == []
