"""Reads a source tree's imports without running any of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: What an import is called whose name is only known at run time.
COMPUTED: Final = "<computed>"

#: A program that loads every module that production may load, and says nothing when all is well.
IMPORT_EVERYTHING: Final = """
import importlib, pkgutil, sys
for package in ("schemas", "serving", "stream", "nextclick"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
assert "training" not in sys.modules, "production code imported training"
"""

_IMPORTERS: Final = frozenset({"import_module", "__import__"})


@dataclass(frozen=True, slots=True)
class Edge:
    """`file` imports `module`, at `line`; `lazy` when loading the file does not load the module."""

    file: str
    line: int
    module: str
    lazy: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"

    def within(self, package: str) -> bool:
        return self.module == package or self.module.startswith(package + ".")


def edges(root: Path, packages: tuple[str, ...]) -> list[Edge]:
    """Every import of every file under `root / package`."""
    files = [file for package in packages for file in sorted((root / package).rglob("*.py"))]
    return [edge for file in files for edge in _of(file.relative_to(root).as_posix(), file.read_text(encoding="utf-8"))]


def _of(file: str, source: str) -> Iterator[Edge]:
    package = file.removesuffix("/__init__.py").removesuffix(".py").split("/")
    if not file.endswith("/__init__.py"):
        package = package[:-1]
    for node, lazy in _nodes(ast.parse(source, file), lazy=False):
        for module in _modules(node, package):
            yield Edge(file, getattr(node, "lineno", 0), module, lazy)


def _nodes(node: ast.AST, *, lazy: bool) -> Iterator[tuple[ast.AST, bool]]:
    """All nodes, each with whether it waits: for a call of the function it is in, or for a type checker."""
    yield node, lazy
    if isinstance(node, ast.If) and _is_type_checking(node.test):
        for statement in node.body:
            yield from _nodes(statement, lazy=True)
        for statement in node.orelse:
            yield from _nodes(statement, lazy=lazy)
        return
    inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for child in ast.iter_child_nodes(node):
        yield from _nodes(child, lazy=inside)


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _modules(node: ast.AST, package: list[str]) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            return [f"{base}.{alias.name}" for alias in node.names]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _IMPORTERS:
            return [_literal(node)]
        case _:
            return []


def _literal(call: ast.Call) -> str:
    match call.args:
        case [ast.Constant(value=str(name)), *_]:
            return name
        case _:
            return COMPUTED
