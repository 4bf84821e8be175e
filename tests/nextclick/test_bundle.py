"""`nextclick bundle`: what it prints, and the exit codes of what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from nextclick.cli import main
from schemas.bundle import MANIFEST, encode, sealed
from serving.state import bundles
from tests import worlds
from tests.kit.bundles import publish


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    for seed, name in enumerate(("first", "second")):
        publish(tmp_path / name, worlds.chain(seed=seed), {"report.html": b"<!doctype html>"})
    return tmp_path


def test_activation_and_rollback_say_what_was_and_what_is(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    versions = {name: bundles.read_manifest(shelf / name).version for name in ("first", "second")}

    assert main(["bundle", "activate", str(shelf), "first"]) == 0
    said = f"{shelf}: first, version {versions['first']}, is in service where nothing was before\n"
    assert capsys.readouterr().out == said
    assert main(["bundle", "activate", str(shelf / "second")]) == 0
    said = f"{shelf}: second, version {versions['second']}, is in service in the place of first"
    assert capsys.readouterr().out == f"{said}; `nextclick bundle rollback {shelf}` goes back to that\n"
    assert main(["bundle", "rollback", str(shelf), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"folder": str(shelf), "was": "second", "is": "first", "version": versions["first"]}
    assert main(["bundle", "activate", str(shelf), versions["first"]]) == 0
    assert "is in service as it was before" in capsys.readouterr().out
    assert main(["bundle", "verify", str(shelf)]) == 0
    assert versions["first"] in capsys.readouterr().out


def test_what_cannot_be_activated_is_said_in_one_line(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shelf / "second" / "ranker.json").unlink()

    assert main(["bundle", "activate", str(shelf), "second"]) == 65
    assert "ranker.json" in capsys.readouterr().err
    assert main(["bundle", "activate", str(shelf), "third"]) == 65
    assert main(["bundle", "rollback", str(shelf)]) == 65
    assert main(["bundle", "activate", str(shelf), ".."]) == 64
    assert not (shelf / "current").exists()


def test_show_tells_everything_a_bundle_says_of_itself(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # given
    told = msgspec.structs.replace(
        bundles.read_manifest(shelf / "first"),
        parameters={"width": 128, "drop_last_item": True},
        evaluation={
            "protocol": {"ties": "against us", "split": {"until": 5}},
            "predictions": 45556,
            "rows": {"fusion": {"hit_rate@20": 0.684, "intervals": {"hit_rate@20": [0.68, 0.69]}}},
            "pool": {"recall@200": 0.88},
        },
        seconds={"transformer": 301.25},
        peak_memory_bytes=3 * 2**30,
    )
    (shelf / "first" / MANIFEST).write_bytes(encode(sealed(told)))

    # when
    assert main(["bundle", "show", str(shelf / "first")]) == 0
    said = capsys.readouterr().out
    lines = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in said.splitlines()}

    # then
    assert lines["version"].startswith(told.version)
    assert "seed 0" in lines["made"]
    assert lines["documents"] == "1, 15 bytes"
    assert (lines["width"], lines["drop_last_item"]) == ("128", "True")
    assert (lines["protocol"], lines["protocol split"]) == ("ties against us", "until 5")
    assert (lines["rows fusion"], lines["pool"]) == ("hit_rate@20 0.6840", "recall@200 0.8800")
    assert (lines["seconds"], lines["memory"]) == ("transformer 301.2", "3,072 MiB at most")
    assert main(["bundle", "show", str(shelf / "first"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["evaluation"] == told.evaluation


ESCAPE = "\x1b[2J\x1b]0;mine\x07\u202e"


def test_no_terminal_obeys_what_a_manifest_says(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # given
    told = msgspec.structs.replace(
        bundles.read_manifest(shelf / "first"),
        command=f"nextclick train {ESCAPE}",
        versions={ESCAPE: ESCAPE},
        parameters={ESCAPE: ESCAPE},
        evaluation={ESCAPE: {ESCAPE: ESCAPE}, "deep": {"er": {"and": {"er": 1}}}},
    )
    (shelf / "first" / MANIFEST).write_bytes(encode(sealed(told)))
    (shelf / "second" / MANIFEST).write_bytes(encode(sealed(msgspec.structs.replace(told, version=ESCAPE))))

    # when
    codes = [main(["bundle", "show", str(shelf / "first")]), main(["bundle", "verify", str(shelf / "second")])]
    said = capsys.readouterr()

    # then
    assert codes == [0, 65]
    assert "\\x1b[2J" in said.out
    assert all(line.isprintable() for line in (said.out + said.err).splitlines())


def test_figures_nested_beyond_reason_are_shown_as_far_as_any_are(
    shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nested: dict[str, object] = {}
    for _ in range(400):
        nested = {"deeper": nested, "at": 1}
    told = msgspec.structs.replace(bundles.read_manifest(shelf / "first"), evaluation={"it": nested})
    (shelf / "first" / MANIFEST).write_bytes(encode(sealed(told)))
    assert main(["bundle", "show", str(shelf / "first")]) == 0
    assert "at 1" in capsys.readouterr().out
