"""A whole bundle, and copies of it to be damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import worlds
from tests.kit.bundles import DOCUMENTS, publish
from tests.kit.copies import Copy


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bundles") / "whole"
    publish(directory, worlds.chain(), DOCUMENTS)
    return directory


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Copy:
    return Copy(shutil.copytree(whole, tmp_path / "bundle"))
