"""The command line: what it takes, what it refuses, and how every ending becomes an exit code."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from nextclick import doctor
from nextclick.cli import main
from nextclick.sample import BUNDLE
from nextclick.servers import LOOPBACK, free_port
from schemas.errors import NextclickError
from tests.kit.command import ROOT, nextclick, started

_END_S = 20.0

VERBS = [
    ["demo"],
    ["sandbox"],
    ["doctor"],
    ["topics", "create"],
    ["stream"],
    ["replay"],
    ["train"],
    ["bundle", "show"],
    ["bundle", "verify"],
    ["bundle", "activate"],
    ["bundle", "rollback"],
    ["session", "show"],
    ["session", "erase"],
    ["user", "show"],
    ["user", "erase"],
    ["key"],
    ["token"],
    ["dead", "list"],
    ["dead", "show"],
    ["dead", "replay"],
    ["bench", "rank"],
]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody who would notice a connection, and answers nothing."""
    with socket.create_server((LOOPBACK, 0)) as server:
        server.setblocking(False)
        yield server


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_explains_itself_with_an_example(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code = main([*verb, "--help"])

    said = capsys.readouterr().out
    assert code == 0
    assert "example:\n  " in said
    assert f"nextclick {' '.join(verb)}" in said.split("example:")[1]


def test_help_loads_nothing_but_the_standard_library_and_the_grammar() -> None:
    heavy = "{'faust','mode','aiokafka','kafka','redis','onnxruntime','numpy','rich','msgspec','training'}"
    code = f"import sys; from nextclick.cli import main; main(['--help']); print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["bogus"],
        ["replay"],
        ["replay", "clicks.csv", "--rate", "0"],
        ["replay", "clicks.csv", "--rate", "nan"],
        ["replay", "clicks.csv", "--rate", "5", "--speed", "5"],
        ["replay", "clicks.csv", "--limit", "-1"],
        ["replay", "clicks.csv", "--map", "item_id"],
        ["replay", "clicks.csv", "--set", "colour=red"],
        ["replay", "no-such-file.csv"],
        ["replay", "clicks.parquet"],
        ["train", "clicks.csv"],
        ["session", "show", "a/b"],
        ["session", "erase", "x" * 129],
        ["user", "show", "x" * 129],
        ["user", "erase", ""],
        ["dead", "list", "--json", "--lines"],
        ["dead", "list", "--since", "yesterday"],
        ["dead", "show"],
        ["dead", "show", "3"],
        ["dead", "show", "3:1", "--raw", "--json"],
        ["dead", "replay", "3:x"],
        ["dead", "replay", "3:1", "--reason", "key"],
        ["dead", "replay", "3:1", "3:2", "--mended", "no-such-file.ndjson"],
        ["dead", "replay", "--mended", "no-such-file.ndjson"],
        ["dead", "replay", "--mended", "no-such-file.ndjson", "--since", "2026-01-01"],
        ["dead", "replay", "--wait", "-1"],
        ["bench", "rank", "--items", "0"],
        ["topics"],
        *(["validate", "clicks.csv", flag, "9" * 30] for flag in ("--since", "--until", "--idle")),
        ["validate", "clicks.csv", "--since", "9" * 5_000],
        ["validate", "x" * 300 + ".csv"],
        ["validate", "a/" * 3_000 + "clicks.csv"],
        ["validate", "clicks\udcff.csv"],
        ["train", "clicks.csv", "--out", "x" * 250],
        ["train", "clicks.csv", "--out", "bundle", "--seed", "9" * 30],
        ["train", "clicks.csv", "--out", "bundle", "--seed", "-1"],
        ["evaluate", "bundle", "clicks.csv", "--live-counts", "9" * 30],
        ["replay", "clicks.csv", "--limit", "9" * 30],
    ],
    ids=lambda arguments: ascii(" ".join(arguments))[:60],
)
def test_a_command_line_that_makes_no_sense_ends_with_64(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 64
    assert capsys.readouterr().err


@pytest.mark.parametrize("verb", [["demo"], ["topics", "create"], ["session", "show", "s-42"]], ids=" ".join)
def test_a_flag_that_does_not_exist_is_answered_with_the_usage_of_its_verb(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*verb, "--nope"]) == 64
    said = capsys.readouterr().err
    assert said.startswith(f"usage: nextclick {' '.join(verb[:2])} ")
    assert "--nope" in said


def test_a_wrong_setting_ends_with_78_before_anything_is_touched(listener: socket.socket) -> None:
    # given
    address = f"{LOOPBACK}:{listener.getsockname()[1]}"
    environment = {"NEXTCLICK_KAFKA": address, "NEXTCLICK_REDIS": f"redis://{address}", "NEXTCLICK_PARTITIONS": "many"}

    # when
    done = nextclick("stream", environment=environment)

    # then
    assert done.returncode == 78
    assert done.stderr == "nextclick: NEXTCLICK_PARTITIONS is 'many'; allowed is a whole number from 1 to 1024\n"
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_setting_that_does_not_exist_is_named() -> None:
    done = nextclick("bundle", "show", environment={"NEXTCLICK_BUNDEL": "bundle"})
    assert done.returncode == 78
    assert "NEXTCLICK_BUNDEL is not a setting" in done.stderr


def test_settings_come_from_the_named_file_and_the_environment_wins(tmp_path: Path) -> None:
    # given
    config = tmp_path / "mine.toml"
    config.write_text(f'bundle = "{BUNDLE}"\n')

    # then
    assert nextclick("--config", config, "bundle", "show").returncode == 0
    assert nextclick("bundle", "show", "--config", config).returncode == 0
    assert nextclick("bundle", "show", "--config", config, environment={"NEXTCLICK_BUNDLE": "/none"}).returncode == 65


def test_settings_come_from_the_file_in_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "nextclick.toml").write_text(f'bundle = "{BUNDLE}"\n')
    assert nextclick("bundle", "show", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("text", ["partitions = 0", "partitions = many", "colour = 'red'", "[kafka]\nhost = 1"])
def test_a_wrong_settings_file_ends_with_78(tmp_path: Path, text: str) -> None:
    (tmp_path / "nextclick.toml").write_text(text)
    done = nextclick("bundle", "show", cwd=tmp_path)
    assert done.returncode == 78
    assert done.stderr.count("\n") == 1


def test_a_settings_file_that_is_not_there_ends_with_78(tmp_path: Path) -> None:
    assert nextclick("--config", tmp_path / "none.toml", "bundle", "show").returncode == 78


def test_a_password_is_printed_nowhere() -> None:
    redis = f"redis://shop:hunter2@{LOOPBACK}:{free_port()}/0"
    environment = {"NEXTCLICK_KAFKA": f"{LOOPBACK}:{free_port()}", "NEXTCLICK_REDIS": redis}
    done = nextclick("doctor", "--json", environment=environment)
    assert f"redis://shop:***@{LOOPBACK}" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_what_went_wrong_is_told_in_one_line_without_a_traceback() -> None:
    done = nextclick("bundle", "verify", "/no/such/bundle")
    assert done.returncode == 65
    assert done.stdout == ""
    assert done.stderr.startswith("nextclick: ")
    assert done.stderr.count("\n") == 1


def test_a_defect_of_ours_ends_with_70_and_says_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda settings: 1 / 0)
    assert main(["doctor"]) == 70
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["torch", "sklearn.decomposition"])
def test_a_verb_that_trains_says_what_to_install_where_nothing_to_train_with_is(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacking(*_: object) -> int:
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr("nextclick.cli._run", lacking)

    assert main(["train", "clicks.csv", "--out", "bundle"]) == 78
    said = capsys.readouterr().err
    assert "pip install '.[train]'" in said
    assert len(said.splitlines()) == 1


def test_a_reader_who_leaves_is_no_error() -> None:
    # given a pipe whose other end is closed
    process = started("bundle", "show", BUNDLE, "--json")
    assert process.stdout
    assert process.stderr
    process.stdout.close()

    # when
    code = process.wait(_END_S)

    # then
    assert code == 128 + signal.SIGPIPE
    assert process.stderr.read() == ""
    process.stderr.close()


def test_output_that_finds_no_room_ends_with_65_and_one_sentence() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nextclick", "bundle", "show", BUNDLE, "--json"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr.count("\n")) == (65, 1)


def test_a_bundle_says_what_it_is() -> None:
    shown = json.loads(nextclick("bundle", "show", BUNDLE, "--json").stdout)
    verified = json.loads(nextclick("bundle", "verify", BUNDLE, "--json").stdout)
    assert shown["version"] == verified["version"]
    assert verified["golden"] == len(shown["golden"]["sessions"])


@pytest.mark.parametrize(
    "verb",
    [
        ["stream"],
        ["replay", ROOT / "nextclick" / "sample" / "replay.csv.gz"],
        ["topics", "create"],
        ["session", "erase", "s-42"],
        ["user", "erase", "u-7"],
        ["dead", "list"],
        ["dead", "show", "3:17"],
        ["dead", "replay"],
    ],
    ids=lambda verb: " ".join(map(str, verb[:2])),
)
def test_absent_services_are_waited_for_and_then_end_it_with_69(verb: list[str | Path]) -> None:
    # given
    kafka = f"{LOOPBACK}:{free_port()}"
    environment = {
        "NEXTCLICK_KAFKA": kafka,
        "NEXTCLICK_REDIS": f"redis://{LOOPBACK}:{free_port()}",
        "NEXTCLICK_BUNDLE": str(BUNDLE),
        "NEXTCLICK_START_WAIT_S": "1",
    }

    # when
    done = nextclick(*verb, environment=environment)

    # then
    assert done.returncode == 69
    *waits, last = done.stderr.splitlines()
    assert waits[0].startswith("nextclick: waiting for ")
    assert "NEXTCLICK_" in last


def test_a_worker_without_a_bundle_waits_for_nobody() -> None:
    done = nextclick("stream", environment={"NEXTCLICK_BUNDLE": "/no/such/bundle"})
    assert done.returncode == 65
    assert "waiting" not in done.stderr


@pytest.mark.parametrize(
    ("verb", "number", "code"),
    [
        (("topics", "create"), signal.SIGINT, 130),
        (("topics", "create"), signal.SIGTERM, 143),
        # Who runs it ends it so whenever a worker is no longer needed.
        (("stream",), signal.SIGTERM, 0),
    ],
)
def test_ctrl_c_ends_a_wait_quietly(verb: tuple[str, ...], number: signal.Signals, code: int) -> None:
    # given
    environment = {
        "NEXTCLICK_KAFKA": f"{LOOPBACK}:{free_port()}",
        "NEXTCLICK_REDIS": f"redis://{LOOPBACK}:{free_port()}",
        "NEXTCLICK_BUNDLE": str(BUNDLE),
    }
    process = started(*verb, environment=environment)
    assert process.stderr
    assert "waiting for " in process.stderr.readline()

    # when
    process.send_signal(number)
    _, said = process.communicate(timeout=_END_S)

    # then
    assert process.returncode == code
    assert "Traceback" not in said


def test_a_second_ctrl_c_ends_at_once() -> None:
    # given a program whose cleaning up takes for ever
    code = """
import time
from nextclick import stops
with stops.raised():
    try:
        print("up", flush=True)
        time.sleep(600)
    finally:
        print("cleaning", flush=True)
        time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    with process.stdout:
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "cleaning\n"

        # when
        process.send_signal(signal.SIGINT)

        # then
        assert process.wait(_END_S) == -signal.SIGINT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_sandbox_prints_what_to_export_and_ends_with_0_leaving_nothing(number: signal.Signals) -> None:
    # given
    process = started("sandbox", "--env")
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(3)]
    family = psutil.Process(process.pid).children(recursive=True)

    # when
    process.send_signal(number)
    rest, said = process.communicate(timeout=_END_S)

    # then
    names = ["NEXTCLICK_KAFKA", "NEXTCLICK_REDIS", "NEXTCLICK_FETCH_WAIT_MS"]
    assert [re.sub(r"=\S+\n$", "", line) for line in lines] == [f"export {name}" for name in names]
    assert (process.returncode, rest, said) == (0, "", "")
    _, alive = psutil.wait_procs(family, timeout=_END_S)
    assert alive == []


def test_what_another_said_stands_below_in_lines_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> list[doctor.Check]:
        raise NextclickError("the worker ended; it said:\ncompiling\nnextclick: \x1b[2Jall is well")

    monkeypatch.setattr(doctor, "examine", fails)
    assert main(["doctor"]) == 70
    assert capsys.readouterr().err.splitlines() == [
        "nextclick: the worker ended; it said:",
        "    compiling",
        "    nextclick: \\x1b[2Jall is well",
    ]
