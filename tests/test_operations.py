"""What docs/operations.md tells whoever is on call to type, to watch and to trust is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

import pytest

from nextclick.cli import parser
from schemas import errors
from tests.kit import series

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
#: Those that stand on a line of their own, to be typed as they are, and those that are only named.
TYPED: Final = re.findall(r"^    nextclick ([^#\n]*)", PAGE, re.M)
NAMED: Final = sorted(set(re.findall(r"`nextclick ([^`]*)`", PAGE)))


@pytest.mark.parametrize("command", TYPED)
def test_every_command_that_is_to_be_typed_is_one(command: str) -> None:
    assert parser().parse_args(shlex.split(command)).run


@pytest.mark.parametrize("command", NAMED)
def test_every_command_that_is_named_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parser().parse_args([*shlex.split(command), "--help"])

    assert end.value.code == 0
    assert f"nextclick {command}" in capsys.readouterr().out


def test_every_metric_is_one_that_a_process_tells() -> None:
    assert set(re.findall(r"nextclick_\w+", PAGE)) - series.told() == set()


def test_every_test_that_proves_something_is_there() -> None:
    named = re.findall(r"`(\w+/test_\w+\.py)`", PAGE)

    assert named
    assert [path for path in named if not (ROOT / "tests" / path).is_file()] == []


def test_every_page_and_heading_that_it_leads_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        path, _, heading = target.partition("#")
        page = (ROOT / "docs" / path).read_text(encoding="utf-8") if path else PAGE
        assert not heading or heading in {_anchor(each) for each in re.findall(r"^#+ (.*)$", page, re.M)}, target


def test_every_code_of_an_error_is_told() -> None:
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type)
             and issubclass(kind, errors.NextclickError)}  # fmt: skip

    assert [code for code in codes if not re.search(rf"\b{code}\b", PAGE)] == []


def _anchor(heading: str) -> str:
    """As hosting sites make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
