"""The files the arch tests look at, parsed once, and what is found in them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "citycare"


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file. `name` is its path from the package's or the tests' folder."""

    name: str
    text: str
    tree: ast.Module


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at one place, and what to do instead."""

    place: str
    wrong: str

    def __str__(self) -> str:
        return f"{self.place}: {self.wrong}"


def source(name: str, text: str) -> Source:
    """Make a source from a text, for planted lines."""
    return Source(name, text, ast.parse(text))


@cache
def package() -> tuple[Source, ...]:
    """Return every file of the package."""
    return _read(PACKAGE)


@cache
def suite() -> tuple[Source, ...]:
    """Return every test file."""
    return _read(ROOT / "tests")


def _read(folder: Path) -> tuple[Source, ...]:
    return tuple(
        source(str(file.relative_to(folder)), file.read_text("utf-8"))
        for file in sorted(folder.rglob("*.py"))
    )


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Return all nodes of a tree; walked once, for many tests look at each."""
    return tuple(ast.walk(tree))


def strings(tree: ast.AST) -> list[tuple[int, str]]:
    """Return every string constant but docstrings, with its line."""
    told = {
        id(node.body[0].value)
        for node in nodes(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        (node.lineno, node.value)
        for node in nodes(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
    ]


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return every function, inner ones and methods too."""
    return [
        node for node in nodes(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for a chain of names, the last part for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "?"
