"""Read `seed/`: CSV files with head notes, JSON files with a `source`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from citycare.journeys.demo.model import Specialty

SEED_FOLDER = Path(__file__).resolve().parents[4] / "seed"


@dataclass(frozen=True, slots=True)
class District:
    """A district and the share of the synthetic residents who live there."""

    code: str
    name: str
    short: str
    weight: int


@dataclass(frozen=True, slots=True)
class Names:
    """Surnames with weights, and characters of given names by generation and sex."""

    surnames: tuple[tuple[str, str], ...]
    weights: tuple[int, ...]
    given: dict[str, dict[str, tuple[tuple[str, str], ...]]]


def rows(name: str) -> list[dict[str, str]]:
    """Read a CSV of the seed; lines that begin with # are its notes."""
    text = (SEED_FOLDER / name).read_text(encoding="utf8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def document(name: str) -> Any:
    """Read a JSON file of the seed."""
    return orjson.loads((SEED_FOLDER / name).read_bytes())


@cache
def districts() -> tuple[District, ...]:
    """Return the districts where synthetic residents live."""
    return tuple(
        District(row["code"], row["name"], row["short"], int(row["weight"]))
        for row in rows("districts.csv")
    )


@cache
def roads() -> dict[str, tuple[str, ...]]:
    """Return well-known roads by district code."""
    return {code: tuple(names) for code, names in document("streets.json")["roads"].items()}


@cache
def names() -> Names:
    """Return what names are made from."""
    found = document("names.json")
    return Names(
        tuple((sign, pinyin) for sign, pinyin, _ in found["surnames"]),
        tuple(weight for _, _, weight in found["surnames"]),
        {
            era: {sex: tuple(map(tuple, signs)) for sex, signs in by_sex.items()}
            for era, by_sex in found["given"].items()
        },
    )


@cache
def specialties() -> dict[str, tuple[Specialty, ...]]:
    """Return the specialties of each profile of hospital."""
    found = document("departments.json")
    known = {
        key: Specialty(
            key,
            row["code"],
            row["name"],
            row["audience"],
            row["pull"],
            tuple(row["good_at"]),
            row.get("walk_in", False),
        )
        for key, row in found["departments"].items()
    }
    return {
        profile: tuple(known[key] for key in keys) for profile, keys in found["profiles"].items()
    }


@cache
def clinic_rules() -> dict[str, Any]:
    """Return how clinics run."""
    rules: dict[str, Any] = document("clinics.json")
    return rules
