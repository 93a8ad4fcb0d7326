"""The generated pages say what the code says; each rule names its source; decisions hold."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.arch.sources import ROOT, Source, functions, package, source

DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
PARTS = ("## Context", "## Decision", "## Consequences", "## Check")
EXAMPLE = "add-a-scenario.md"  # names files of a scenario called visit, which is not there
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#]+)[^)]*\)")
CODE = re.compile(r"`((?:src|tests|docs|migrations|seed|bench)/[\w./-]+?)`")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["docs_generate"] = made
    spec.loader.exec_module(made)
    return made


def text(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def test_generated_pages_are_up_to_date(generate: ModuleType) -> None:
    assert generate.lagging() == [], "run: .venv/bin/python docs/generate.py"


def test_each_error_code_has_one_meaning_and_stands_there(generate: ModuleType) -> None:
    generate.import_everything()
    words: dict[str, str] = {}
    for kind in generate.error_kinds():
        assert re.fullmatch(r"[a-z_]+\.[a-z0-9_]+", kind.code), kind
        assert words.setdefault(kind.code, kind.words) == kind.words, f"{kind.code}: two meanings"
        assert f"`{kind.code}`" in text("errors.md")
    assert len(words) > 60


def test_each_event_stands_there_and_none_is_made_up(generate: ModuleType) -> None:
    whole, beginnings = generate.event_names()
    told = set(generate.EVENTS)
    assert whole - told == set(), "tell docs/generate.py EVENTS when it happens"
    assert all(any(name.startswith(one) for name in told) for one in beginnings)
    sources = "".join(one.text for one in package())
    for name in told - whole:
        ends = re.escape(re.split(r"[._]", name)[-1])
        assert re.search(rf"\b{ends}\b", sources), f"{name} is emitted nowhere"


def test_events_named_on_a_card_stand_there(generate: ModuleType) -> None:
    for one in package():
        card = re.search(
            r"events out\s+(.+?)\n    \w", ast.get_docstring(one.tree) or "", re.DOTALL
        )
        named = re.findall(r"[a-z]+\.[a-z_]+", card[1]) if card else []
        assert set(named) <= set(generate.EVENTS), one.name


def test_each_setting_parameter_and_command_stands_there(generate: ModuleType) -> None:
    for knob in generate.settings.Settings.__dataclass_fields__.values():
        assert f"`{knob.metadata['env']}`" in text("settings.md")
    assert len(generate.parameters()) > 30
    for one in generate.parameters():
        assert f"`{one.key}`" in text("policy.md")
        assert one.status in ("VERIFIED", "UNVERIFIED")
        assert one.source
    for name, command in generate.commands():
        assert f"## `{name}`" in text("cli.md")
        assert command.help, f"{name} has no sentence"


def test_parameters_the_code_asks_for_exist(generate: ModuleType) -> None:
    known = {one.key for one in generate.parameters()}
    asked = {
        found
        for one in package()
        for found in re.findall(r"policy\.value\(\s*cx,\s*\"([a-z._]+)\"", one.text)
    }
    assert len(asked) > 5
    assert asked - known == set()


def without_source(one: Source) -> list[str]:
    """Return the public functions of a rules file that do not name their source."""
    return [
        f"{one.name}: {made.name}"
        for made in functions(one.tree)
        if not made.name.startswith("_")
        and made in one.tree.body
        and "Source:" not in (ast.get_docstring(made) or "")
    ]


def test_each_rule_names_its_source() -> None:
    rules = [one for one in package() if re.match(r"scenarios/\w+/rules", one.name)]
    assert len(rules) > 5
    assert [found for one in rules for found in without_source(one)] == []
    bare = source("scenarios/a/rules.py", 'def f():\n    """Do it."""\n')
    said = source(
        "scenarios/a/rules.py", 'def f():\n    """Do it.\n\n    Source: law 1.\n    """\n'
    )
    assert without_source(bare) == ["scenarios/a/rules.py: f"]
    assert without_source(said) == []


def test_each_module_says_what_it_is() -> None:
    assert [one.name for one in package() if ast.get_docstring(one.tree) is None] == []


@pytest.mark.parametrize("path", DECISIONS, ids=lambda one: one.stem)
def test_each_decision_has_its_parts_and_names_its_check(path: Path) -> None:
    said = path.read_text("utf-8")
    assert [part for part in PARTS if part not in said] == []
    assert CODE.search(said.partition("## Check")[2]), "name the file that enforces it"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in DECISIONS]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 13


def test_what_the_pages_point_to_exists() -> None:
    pages = [*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "README.zh-CN.md"]
    later = ("pictures/", "performance.md")  # written by the bench and the browser tests
    missing = []
    for path in pages:
        if path.name == "plan.md":
            continue
        said = path.read_text("utf-8")
        missing += [
            f"{path.relative_to(ROOT)} → {target}"
            for target in LINK.findall(said)
            if not any(one in target for one in later) and not (path.parent / target).exists()
        ]
        missing += [
            f"{path.relative_to(ROOT)} → {named}"
            for named in CODE.findall(said)
            if not (ROOT / named).exists()
            and not any(one in named for one in later)
            and not (path.name == EXAMPLE and "visit" in named)
        ]
    assert missing == []
