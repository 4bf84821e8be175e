"""Laws of `nextclick dead list` and `show`: each record counts once, and a terminal gets nothing but text."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest

from schemas.click import encode
from tests.kit.command import ROOT, nextclick
from tests.kit.letters import bury, letter
from tests.kit.shop import Shop
from tests.kit.worker import environment
from tests.worlds.histories import START_MS

pytestmark = pytest.mark.kafka

HOSTILE = b'{"a":"\x1b]0;owned\x07\xc2\x9b\xe2\x80\xae"} \x00\xff'


@pytest.fixture
def crowded(shop: Shop) -> Shop:
    """Four records: two of one reason, one of them cut, one written down twice; one replayed before."""
    (good,) = shop.clicks(1, sessions=1)
    whole = letter(1, HOSTILE, time=START_MS + 1_000, detail="\x1b[2J said the decoder")
    cut = letter(2, b"x" * 2**20, time=START_MS + 2_000, reason="too_large", detail="1048576 bytes")
    older = letter(3, b"{", time=START_MS)
    fine = letter(9, encode(good), good.session_id.encode(), reason="schema", time=-1)
    bury(shop, [whole, cut, older, whole, fine])
    done = nextclick("dead", "replay", "3:9", "--wait", "0", environment=environment(shop.settings))
    assert done.returncode == 0, done.stderr
    return shop


def test_letters_are_counted_by_reason_and_each_record_once(crowded: Shop) -> None:
    done = nextclick("dead", "list", "--json", environment=environment(crowded.settings))

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    schema = report["reasons"].pop("schema")
    assert (schema["letters"], schema["replayed"], schema["example"]["letter"]) == (1, 1, "3:9")
    assert schema["first"] == schema["last"] > START_MS, "a record without a time has that of its letter"
    assert report == {
        "letters": 4,
        "reasons": {
            "invalid": {
                "letters": 2,
                "replayed": 0,
                "cut": 0,
                "first": START_MS,
                "last": START_MS + 1_000,
                "example": {"letter": "3:1", "detail": "\x1b[2J said the decoder"},
            },
            "too_large": {
                "letters": 1,
                "replayed": 0,
                "cut": 1,
                "first": START_MS + 2_000,
                "last": START_MS + 2_000,
                "example": {"letter": "3:2", "detail": "1048576 bytes"},
            },
        },
    }


@pytest.mark.parametrize(
    "arguments",
    [["list"], ["list", "--json"], ["list", "--lines"], ["show", "3:1"], ["show", "3:1", "--json"]],
    ids=" ".join,
)
def test_nothing_but_text_is_printed(crowded: Shop, arguments: list[str]) -> None:
    done = nextclick("dead", *arguments, environment=environment(crowded.settings))

    assert done.returncode == 0, done.stderr
    assert all(line.isprintable() for line in done.stdout.split("\n"))
    assert "3:1" in done.stdout


def test_every_letter_is_a_line_once(crowded: Shop) -> None:
    done = nextclick("dead", "list", "--lines", environment=environment(crowded.settings))
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["letter"], each["replayed"]) for each in found] == [
        ("3:1", False),
        ("3:2", False),
        ("3:3", False),
        ("3:9", True),
    ]


def test_letters_are_chosen_by_reason_and_time(crowded: Shop) -> None:
    def listed(*arguments: str) -> list[str]:
        done = nextclick("dead", "list", "--lines", *arguments, environment=environment(crowded.settings))
        return [json.loads(line)["letter"] for line in done.stdout.splitlines()]

    assert listed("--reason", "invalid") == ["3:1", "3:3"]
    assert listed("--since", str(START_MS + 1_000)) == ["3:1", "3:2", "3:9"]
    assert listed("--reason", "invalid", "--since", str(START_MS + 1_000)) == ["3:1"]
    assert listed("--reason", "no_such") == []


def test_a_letter_is_shown_with_every_place_it_was_written_to(crowded: Shop) -> None:
    done = nextclick("dead", "show", "3:1", environment=environment(crowded.settings))
    assert [line.split(", at ")[1].split()[0] for line in done.stdout.splitlines() if line.startswith("written")] == [
        "0:0",
        "0:3",
    ]
    assert "owned" in done.stdout


def test_raw_gives_the_bytes_as_they_came(crowded: Shop) -> None:
    command = [sys.executable, "-m", "nextclick", "dead", "show", "3:1", "--raw"]
    variables = {**os.environ, **environment(crowded.settings)}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, timeout=90, check=True)
    assert done.stdout == HOSTILE


def test_raw_is_refused_to_a_terminal(crowded: Shop) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "nextclick", "dead", "show", "3:1", "--raw"]
    variables = {**os.environ, **environment(crowded.settings)}
    done = subprocess.run(
        command, cwd=ROOT, env=variables, stdout=theirs, stderr=subprocess.PIPE, timeout=90, check=False
    )
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 64
    assert b"to a file" in done.stderr


def test_what_is_written_out_goes_to_its_file_while_a_person_watches(crowded: Shop) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "nextclick", "dead", "list", "--lines"]
    variables = {**os.environ, **environment(crowded.settings), "TERM": "xterm"}
    done = subprocess.run(
        command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=theirs, timeout=90, check=True
    )
    os.close(theirs)
    os.close(ours)
    assert len(done.stdout.splitlines()) == 4


def test_a_cut_letter_says_so_beside_its_bytes(crowded: Shop) -> None:
    variables = environment(crowded.settings)
    assert "1048576" in nextclick("dead", "show", "3:2", environment=variables).stdout
    assert "the letter was cut" in nextclick("dead", "show", "3:2", "--raw", environment=variables).stderr


def test_what_is_no_letter_ends_with_65(crowded: Shop) -> None:
    done = nextclick("dead", "show", "3:4", environment=environment(crowded.settings))
    assert done.returncode == 65
    assert "there is none of 3:4" in done.stderr
    assert done.stdout == ""


def test_without_letters_it_says_so(shop: Shop) -> None:
    done = nextclick("dead", "list", environment=environment(shop.settings))
    assert (done.returncode, done.stdout) == (0, "there are no letters\n")
