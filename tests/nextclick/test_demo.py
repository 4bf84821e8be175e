"""`nextclick demo`: real shoppers, a real worker, and nothing left behind."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from nextclick import demo
from nextclick.live import Board
from nextclick.sample import BUNDLE
from nextclick.sandbox import Sandbox
from nextclick.servers import Guardian
from nextclick.shop import Shop
from nextclick.worker import environment
from schemas.errors import NextclickError
from schemas.setting import Secret
from schemas.settings import Settings
from tests.kit.command import nextclick, started

_END_S = 30.0


@pytest.mark.slow
def test_a_demo_that_only_looks_gets_recommendations_for_real_clicks() -> None:
    done = nextclick("demo", "--once")

    assert done.returncode == 0, done.stderr
    assert "the first recommendation came after" in done.stderr
    summary = done.stdout.splitlines()[-1]
    found = re.match(
        r"(\d+) clicks of real shoppers in .* s, (\d+) answered; .* (\d+) lists, 0 of them faulty", summary
    )
    assert found, summary
    clicks, answered, lists = map(int, found.groups())
    assert clicks >= answered > 0
    assert lists > 0


@pytest.mark.slow
def test_a_demo_whose_worker_refuses_its_bundle_ends_with_70_and_the_reason(tmp_path: Path) -> None:
    # given
    broken = tmp_path / "bundle"
    shutil.copytree(BUNDLE, broken)
    (broken / "ranker.json").write_bytes(b"[]")

    # when
    done = nextclick("demo", "--once", "--bundle", broken)

    # then
    assert done.returncode == 70
    assert "the worker ended with code 65" in done.stderr
    assert "ranker.json" in done.stderr


def test_a_demo_whose_bundle_is_not_there_starts_nothing_and_ends_with_65() -> None:
    done = nextclick("demo", "--bundle", "/no/such/bundle")
    assert done.returncode == 65
    assert done.stderr.startswith("nextclick: missing: /no/such/bundle: no such directory")


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    """A demo whose worker answers."""
    process = started("demo")
    assert process.stderr
    said: list[str] = []
    while "first recommendation" not in "".join(said[-1:]):
        said.append(process.stderr.readline())
        if not said[-1]:
            pytest.fail(f"the demo ended with {process.wait(_END_S)}: {''.join(said)}")
    yield process
    process.kill()
    process.communicate(timeout=_END_S)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_demo_leaves_no_process_however_it_ends(
    running: subprocess.Popen[str], number: signal.Signals, code: int
) -> None:
    # given
    family = psutil.Process(running.pid).children(recursive=True)
    assert any("stream" in process.cmdline() for process in family)

    # when
    running.send_signal(number)

    # then
    running.communicate(timeout=_END_S)
    assert running.returncode == code
    _, alive = psutil.wait_procs(family, timeout=_END_S)
    assert alive == []


def test_a_demo_speaks_to_its_own_kafka_whatever_another_asks_for(sandbox: Sandbox) -> None:
    theirs = replace(Settings(), kafka_security="sasl_ssl", kafka_user="worker", kafka_password=Secret("hunter2"))
    ours = demo._settings(theirs, sandbox, demo.Plan(once=True, seconds=None, shoppers=1, rate=1.0, bundle=None))
    assert (ours.kafka, ours.kafka_security, ours.kafka_user) == (sandbox.kafka, "plaintext", "")
    assert Settings.read(environment(ours), {}).kafka_password.reveal() == ""


def test_who_waits_for_the_first_list_is_told_what_for_and_at_the_end_what_to_do(
    guardian: Guardian, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a shop whose worker is busy with something else
    shop = Shop(Settings(), iter(()), 1.0, Board(str, 1))
    worker = guardian.start("busy-worker", ["sh", "-c", "echo compiling; echo still; exec sleep 600"])
    worker.await_ready(lambda: "still" in worker.last_lines(), _END_S)
    try:
        # when
        with pytest.raises(NextclickError) as found:
            demo._await_first(shop, worker, patience_s=0.5, word_s=0.2)
    finally:
        worker.kill()

    # then
    assert "on a new machine the worker compiles its kernels" in capsys.readouterr().err
    assert re.search(r"within 0\.5 s: .* too busy .*; start the demo again", str(found.value))
    assert str(found.value).endswith("The worker said:\ncompiling\nstill")
