from __future__ import annotations

from pathlib import Path

from citycare.journeys.onboarding.faults import WORDS
from citycare.journeys.onboarding.tables import TABLES

DOCS = (Path(__file__).resolve().parents[3] / "docs" / "import.md").read_text("utf-8")


def test_every_table_and_column_is_documented() -> None:
    for table in TABLES:
        assert f"| {table.name} |" in DOCS
        for name, chinese in (table.required | table.optional).items():
            assert f"`{name}`" in DOCS, (table.name, name)
            assert chinese in DOCS, (table.name, chinese)


def test_every_fault_code_is_documented() -> None:
    assert [code for code in WORDS if f"`{code}`" not in DOCS] == []
