"""What is imported is declared, what is declared is used, and docs/dependencies.md says why."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions

from tests.arch.sources import ROOT, nodes, package

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SAID = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
NOT_IMPORTED = {
    "granian": "the server, started by the supervisor",
    "python-multipart": "Starlette's forms",
    "tzdata": "data",
}


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=~ ]", requirement)[0]


def declared() -> set[str]:
    return {name_of(one) for one in PROJECT["project"]["dependencies"]}


@cache
def imported() -> set[str]:
    tops = set()
    for one in package():
        for node in nodes(one.tree):
            if isinstance(node, ast.Import):
                tops |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                tops.add(node.module.split(".")[0])
    outside = tops - set(sys.stdlib_module_names) - {"citycare"}
    homes = packages_distributions()
    return {homes.get(top, [top])[0].lower().replace("_", "-") for top in outside}


def test_what_is_imported_is_declared() -> None:
    assert imported() - declared() - {"psycopg-pool"} == set()  # psycopg[pool]


def test_what_is_declared_is_used() -> None:
    assert declared() - imported() == set(NOT_IMPORTED)


def test_each_dependency_has_its_reason() -> None:
    dev = {name_of(one) for one in PROJECT["dependency-groups"]["dev"]}
    node = set(json.loads((ROOT / "package.json").read_text("utf-8"))["devDependencies"])
    assert [one for one in declared() | dev | node if not re.search(rf"`{one}[`\[]", SAID)] == []


def test_lock_files_name_no_registry() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text("utf-8")
        assert "://" not in text
        assert "--hash=sha256:" in text
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text("utf-8")


def test_locks_hold_what_is_declared() -> None:
    locked = set(
        re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    )
    assert declared() - locked - {"psycopg"} == set()
