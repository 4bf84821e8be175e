"""What docs/security.md shows works as it stands, and what it promises has a test."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from nextclick.cli import parser
from serving.http.tokens import Tokens, read_secrets
from tests.kit import rungs
from tests.kit.doors import SIGNING, SITE

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
KEY, SECRET = SIGNING.reveal().split(":")

Mint = Callable[[str, str | None], str]


def shown(language: str) -> str:
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)
    return str(code)


def in_python(session_id: str, user_id: str | None) -> str:
    made: dict[str, Any] = {}
    exec(shown("python"), made)  # noqa: S102 - it stands in our own page
    return str(made["mint"](session_id, user_id, key=KEY, secret=SECRET))


def in_node(session_id: str, user_id: str | None) -> str:
    rungs.demand("node")
    user = "undefined" if user_id is None else json.dumps(user_id)
    asked = f"mint({json.dumps(session_id)}, {user}, {json.dumps({'key': KEY, 'secret': SECRET})})"
    done = subprocess.run(
        ["node", "-e", f"{shown('js')}\nprocess.stdout.write({asked})"], capture_output=True, timeout=60, check=True
    )
    return done.stdout.decode()


@pytest.mark.parametrize("mint", [in_python, in_node])
@pytest.mark.parametrize("user_id", [None, "u-7", "Jürgen, 7"])
def test_what_a_backend_signs_as_the_page_shows_is_believed(mint: Mint, user_id: str | None) -> None:
    claims = Tokens(SITE, read_secrets(SIGNING)).verify(mint("s-1", user_id), time.time())

    assert claims is not None
    assert (claims.sid, claims.uid) == ("s-1", user_id)


def test_every_line_of_the_checklist_has_its_test() -> None:
    checklist = PAGE.partition("## The checklist")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (?!line|---)(.*?) \| (.*?) \|$", checklist, re.M)

    assert len(lines) >= 12
    for line, kept_by in lines:
        named = re.findall(r"`([\w/]+\.py)`", kept_by)
        assert named, line
        assert [path for path in named if not (ROOT / "tests" / path).is_file()] == []


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`nextclick ([^`]*)`", PAGE))))
def test_every_command_that_is_named_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parser().parse_args([*shlex.split(command), "--help"])

    assert end.value.code == 0
    assert "usage: " in capsys.readouterr().out
