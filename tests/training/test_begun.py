"""What an interrupted training goes on from: its own decision, and never another's fit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.kit.command import ROOT
from training.begun import Begun, Origin
from training.plan import PLANS
from training.shortening import Cut

ORIGIN = Origin(command="nextclick train a.csv --seed 0", log="1" * 64, catalogue="2" * 64, threads=2, versions={})
CUT = Cut(17, PLANS["full"])


def test_what_was_decided_is_decided_once(tmp_path: Path) -> None:
    Begun(tmp_path, ORIGIN).decide(CUT)
    assert Begun(tmp_path, ORIGIN).cut() == CUT


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"command": "nextclick train a.csv --seed 1"}, "another command is"),
        ({"log": "3" * 64}, "another log is"),
        ({"catalogue": "3" * 64}, "another catalogue is"),
        ({"threads": 4}, "another number of threads is"),
        ({"versions": {"torch": "9"}}, "another set of package versions is"),
    ],
    ids=lambda each: str(each)[:20],
)
def test_a_fit_of_something_else_is_told_of_and_left_as_it_is(
    tmp_path: Path, other: dict[str, object], what: str
) -> None:
    # given
    before = Begun(tmp_path, ORIGIN)
    before.decide(CUT)
    assert list(before.others()) == []
    [folder] = tmp_path.iterdir()
    (folder / "base.pt").write_bytes(b"weights")

    # when
    now = Begun(tmp_path, msgspec.structs.replace(ORIGIN, **other))
    now.decide(Cut(0, PLANS["fast"]))

    # then
    [told] = now.others()
    assert what in told
    assert told.endswith(ORIGIN.command)
    assert before.cut() == CUT
    assert (folder / "base.pt").read_bytes() == b"weights"


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b"\xff", b"{}"])
def test_a_decision_that_cannot_be_read_is_none(tmp_path: Path, garbage: bytes) -> None:
    begun = Begun(tmp_path, ORIGIN)
    begun.decide(CUT)
    [folder] = tmp_path.iterdir()
    (folder / "begun.json").write_bytes(garbage)
    assert begun.cut() is None


#: Files may have 64 KB, and a checkpoint of this one needs more.
FULL = """
import resource, signal, sys
from pathlib import Path
import torch
from nextclick import cli
from training.checkpoint import Checkpoint, InFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))
kept = Checkpoint({"weight": torch.zeros(1_000_000)}, [], 1, [2.5], {}, torch.get_rng_state())
cli._run = lambda arguments: InFile(Path(sys.argv[1]), {}).keep(kept)
sys.exit(cli.main([]))
"""


def test_a_full_disk_at_a_checkpoint_is_one_sentence_and_74(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path / "fit" / "base.pt")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 74, done.stderr
    assert done.stderr.count("\n") == 1
    assert "make room" in done.stderr
    assert list((tmp_path / "fit").iterdir()) == []
