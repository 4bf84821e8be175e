"""`nextclick train` as a person meets it: what is refused at once, how it is stopped, and what it says at its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from nextclick.cli import main
from nextclick.progress import Lines
from nextclick.sample import BUNDLE
from nextclick.stops import Stopped
from nextclick.verbs import train as verb
from serving.state import bundles
from tests.kit.command import ROOT

LOG = "session_id,item_id,ts\na,x,1700000000000\na,y,1700000001000\n"

#: A machine without torch: whatever loads it ends with 78.
BARE = """
import sys
sys.modules["torch"] = None
from nextclick.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(LOG, encoding="utf-8")
    return path


@pytest.mark.parametrize("wrong", ["out", "events", "catalogue"])
def test_what_can_be_refused_at_once_is_refused_before_torch_is_loaded(events: Path, wrong: str) -> None:
    # given
    log = events.with_name("none.csv") if wrong == "events" else events
    out = events.parent if wrong == "out" else events.parent / "bundle"
    catalogue = ["--catalog", str(events.with_name("none.csv"))] if wrong == "catalogue" else []

    # when
    command = [sys.executable, "-c", BARE, "train", str(log), *catalogue, "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    # then
    assert done.returncode in (64, 66)
    assert "torch" not in done.stderr


def test_a_gpu_that_is_not_there_is_said_before_anything_is_read(
    events: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["train", str(events), "--device", "cuda", "--out", str(events.parent / "bundle")]) == 64
    assert "no GPU" in capsys.readouterr().err
    assert [path.name for path in events.parent.iterdir()] == ["log.csv"]


@pytest.mark.parametrize("number", [2, 15])
@pytest.mark.parametrize("begun", [True, False])
def test_whoever_stops_it_is_told_what_the_same_command_will_do(
    events: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, *, begun: bool
) -> None:
    # given: it is stopped, after an epoch or before the first
    kept = events.parent / ".bundle.training" / "0123" / "base.pt"

    def stopped(*_: object) -> NoReturn:
        if begun:
            kept.parent.mkdir(parents=True)
            kept.touch()
        raise Stopped(number)

    monkeypatch.setattr("training.train.train", stopped)

    # then
    assert main(["train", str(events), "--out", str(events.parent / "bundle")]) == 128 + number
    said = capsys.readouterr().err
    assert "the same command" in said
    assert ("goes on" in said) == begun


def test_it_ends_with_figures_what_is_no_better_and_what_to_do_next(tmp_path: Path) -> None:
    manifest = bundles.read_manifest(BUNDLE)
    lines = list(verb._told(manifest, tmp_path / "my bundle"))
    report = verb._report(manifest, tmp_path / "my bundle")
    assert lines[1].startswith("figures ")
    assert "%" in lines[1]
    assert lines[2].startswith("fallback")
    assert lines[3].endswith("my bundle/report.html")
    assert lines[4] == f"next      nextclick bundle activate '{tmp_path / 'my bundle'}'"
    assert report["figures"] is not None
    assert report["fallback"] is None


def test_without_a_terminal_there_is_a_line_now_and_then() -> None:
    # given
    now, said = [0.0], list[str]()
    lines = Lines(lambda: now[0], said.append)

    # when: a stage at once, one after twelve seconds, and steps of four seconds each
    lines.of("read", "")
    now[0] = 12.0
    advance = lines.of("base", "epochs")
    for _ in range(5):
        now[0] += 4.0
        advance(1, 5)

    # then
    assert said == ["base", "base: 3 of 5 epochs"]
