"""The image: what it is made of is here and pinned, and nobody in it is root."""

from __future__ import annotations

import re
import shlex
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Final

from tests.deploy.composition import ROOT


@dataclass(frozen=True, slots=True)
class Instruction:
    name: str
    value: str


def instructions() -> list[Instruction]:
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


ALL: Final = instructions()
#: From the second FROM on: what is shipped.
SHIPPED: Final = ALL[[n for n, each in enumerate(ALL) if each.name == "FROM"][-1] :]


def values(name: str, among: list[Instruction] = ALL) -> list[str]:
    return [each.value for each in among if each.name == name]


def copied() -> list[str]:
    """What comes from the repository."""
    taken = [shlex.split(value) for value in values("COPY") if not value.startswith("--from")]
    return [source for *sources, _ in taken for source in sources]


def test_its_bases_are_pinned_to_a_release_of_a_python_that_we_support() -> None:
    bases = {value.split()[0] for value in values("FROM")}
    assert len(bases) == 1, "a virtual environment is at home on the Python that made it"
    (base,) = bases
    found = re.fullmatch(r"python:3\.(\d+)-slim-\w+", base)
    assert found, base
    assert 11 <= int(found[1]) <= 13


def test_everything_that_is_copied_is_there_and_is_let_in() -> None:
    let_in = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text("utf-8"), re.M)
    for source in copied():
        assert (ROOT / source).exists(), source
        assert any(source == each or fnmatch(source, f"{each}/*") for each in let_in), source


def test_every_package_of_the_wheel_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(packages) <= set(copied())


def test_what_is_installed_is_what_was_compiled_with_hashes() -> None:
    installs = [run for run in values("RUN") if " install " in run and "pip" in run]
    named = [name for run in installs for name in re.findall(r"requirements/\S+", run)]
    assert named == ["requirements/build.txt", "requirements/base.txt"]
    for run in installs:
        assert "--require-hashes" in run or "--no-deps /dist/" in run, run


def test_it_is_not_root_that_runs() -> None:
    names = [each.name for each in SHIPPED]
    (user,) = values("USER", SHIPPED)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "a number, so that whoever runs it can tell"
    assert not {"RUN", "COPY", "ADD"} & set(names[names.index("USER") :])


def test_nothing_secret_and_nothing_from_elsewhere_enters_it() -> None:
    assert values("ADD") == []
    assert [value for value in values("ENV") + values("ARG") if re.search("KEY|SECRET|PASSWORD|TOKEN", value)] == []
