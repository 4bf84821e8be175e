"""Laws of the running endpoint, as openapi.json tells them: asked with whatever that allows and with what it does not,
one operation after the other and in sequences that its links suggest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.kit import doors
from tests.kit.endpoint import Endpoint

_ROOT: Final = Path(__file__).parents[2]
#: A stream goes on for as long as it is fetched; test_hostile.py and test_streams.py hold it to its laws.
_ENDLESS: Final = "/stream$"
#: Above what an answer may take that waits for a list that knows a click.
_ANSWER_S: Final = 30


def checked(endpoint: Endpoint, place: Path, *options: str) -> str:
    """What schemathesis says of it; the test fails on any check that does."""
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"]
    command += [f"{endpoint.url}/openapi.json", "--no-color", "--workers", "4", "--checks", "all"]
    command += ["--exclude-path-regex", _ENDLESS, "--request-timeout", str(_ANSWER_S), "--generation-database", "none"]
    done = subprocess.run([*command, *options], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_answer_is_one_that_was_promised(unguarded: Endpoint, tmp_path: Path) -> None:
    said = checked(unguarded, tmp_path, "--max-examples", "15", "--generation-deterministic")

    assert "Stateful" in said
