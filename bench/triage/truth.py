"""The written and real cases, and what counts as right."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = ROOT.parent / "shared" / "data" / "triage"
CASES = ROOT / "knowledge" / "cases"
REPORT = ROOT / ".var" / "bench" / "triage"


@dataclass(frozen=True, slots=True)
class Label:
    """The codes that count as right for a label; `under`: any below the main one too."""

    accepted: frozenset[str]
    under: str = ""

    def takes(self, code: str) -> bool:
        """Tell whether a suggested code counts."""
        return code in self.accepted or bool(self.under and code.startswith(self.under))


def labels(source: str) -> dict[str, Label]:
    """Read what each label of a file accepts; labels that name no department are left out."""
    found = {}
    with (OUTSIDE / "label_codes.csv").open(encoding="utf8") as lines:
        for row in csv.DictReader(lines):
            codes = frozenset(filter(None, row["accepted_codes"].split("|")))
            if row["source"] == source and codes:
                under = row["note"].partition("any code under ")[2]
                found[row["label"]] = Label(codes, under)
    return found


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines() if line]


@dataclass(frozen=True, slots=True)
class Judged:
    """One text: its label, what was suggested first to third, and the first's probability."""

    text: str
    label: str
    codes: tuple[str, ...]
    probability: float
    first: bool
    three: bool


def write_report(name: str, judged: Sequence[Judged]) -> None:
    """Write the confusion table and every failed case, for review, outside the repository."""
    REPORT.mkdir(parents=True, exist_ok=True)
    table: dict[str, Counter[str]] = {}
    for one in judged:
        table.setdefault(one.label, Counter())[one.codes[0] if one.codes else "-"] += 1
    rows = [
        f"{label}\t{sum(row.values())}\t" + " ".join(f"{c}:{n}" for c, n in row.most_common())
        for label, row in sorted(table.items())
    ]
    (REPORT / f"{name}-confusion.tsv").write_text("\n".join(rows) + "\n", encoding="utf8")
    failed = [
        json.dumps(
            {"label": one.label, "said": one.codes, "p": round(one.probability, 2),
             "text": one.text},
            ensure_ascii=False,
        )
        for one in judged if not one.three
    ]  # fmt: skip
    (REPORT / f"{name}-failed.jsonl").write_text("\n".join(failed) + "\n", encoding="utf8")


def share(values: Iterable[bool]) -> float:
    """Return the share of True."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0
