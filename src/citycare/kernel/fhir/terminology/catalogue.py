"""Which versions of what are here, and which one is meant.

Where no version is asked for, the newest that is active is taken: by its date, then by the numbers
in its version. Versions stay side by side.

Source: HL7 FHIR R4 4.0.1 §2.24 canonical references (`url|version`); which version is meant without
one is left to the server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from citycare.kernel.context import Context
from citycare.kernel.fhir.terminology.model import (
    Json,
    MapUnknown,
    System,
    SystemUnknown,
    ValueSetUnknown,
)

ACTIVE = "active"
DIGITS = re.compile(r"(\d+)")


def parted(canonical: str) -> tuple[str, str]:
    """Return url and version of `url|version`."""
    url, _, version = canonical.partition("|")
    return url, version.partition("#")[0]


def newness(row: Mapping[str, Any]) -> tuple[bool, str, list[tuple[int, str]], int]:
    """Return what versions are ordered by; the greatest is the one that is meant."""
    parts = [
        (len(part.lstrip("0")), part.lstrip("0")) if part.isdecimal() else (-1, part)
        for part in DIGITS.split(row["version"])
    ]
    return row["status"] == ACTIVE, row["dated"], parts, row["id"]


def meant(rows: Iterable[Mapping[str, Any]], version: str) -> Mapping[str, Any] | None:
    """Return the row of a version, or of the newest active one."""
    fitting = [row for row in rows if version in ("", row["version"])]
    return max(fitting, key=newness, default=None)


SYSTEM = """
    SELECT id, url, version, status, dated, name, language, content, cased
      FROM fhir.code_system WHERE url = %(url)s
"""


async def find_system(cx: Context, url: str, version: str = "") -> System | None:
    """Return a code system, or None where it, or this version of it, has not been loaded."""
    rows = await (await cx.db.execute(SYSTEM, {"url": url})).fetchall()
    row = meant(rows, version)
    return _system(row) if row is not None else None


async def get_system(cx: Context, url: str, version: str = "") -> System:
    """Return a code system.

    Raises:
        SystemUnknown: it, or this version of it, has not been loaded.
    """
    found = await find_system(cx, url, version)
    if found is None:
        raise SystemUnknown(system=url, version=version)
    return found


WHOLE = """
    SELECT id, url, version, status, dated, name, language, content, cased
      FROM fhir.code_system WHERE value_set <> '' AND value_set = %(url)s
"""


async def find_system_of_set(cx: Context, url: str) -> System | None:
    """Return the code system that says its value set of all codes has this url."""
    row = meant(await (await cx.db.execute(WHOLE, {"url": url})).fetchall(), "")
    return _system(row) if row is not None else None


def _system(row: Mapping[str, Any]) -> System:
    return System(**{name: row[name] for name in System.__slots__})


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A value set: what it is called, and what it is made of."""

    url: str
    version: str
    status: str
    name: str
    compose: Json


VALUE_SET = """
    SELECT id, url, version, status, dated, name FROM fhir.value_set WHERE url = %(url)s
"""
COMPOSE = "SELECT compose FROM fhir.value_set WHERE id = %(id)s"


async def find_value_set(cx: Context, url: str, version: str = "") -> ValueSet | None:
    """Return a value set that has been loaded, or None."""
    rows = await (await cx.db.execute(VALUE_SET, {"url": url})).fetchall()
    row = meant(rows, version)
    if row is None:
        return None
    told = await (await cx.db.execute(COMPOSE, {"id": row["id"]})).fetchone()
    if told is None:  # loaded anew in between
        raise ValueSetUnknown(url=url, version=version)
    return ValueSet(url, row["version"], row["status"], row["name"], told["compose"])


@dataclass(frozen=True, slots=True)
class Map:
    """A concept map: how it is called, and the value sets it leads between."""

    id: int
    url: str
    version: str
    source: str
    target: str

    @property
    def canonical(self) -> str:
        """Name it as a reference does."""
        return f"{self.url}|{self.version}" if self.version else self.url


MAP = """
    SELECT id, url, version, status, dated, source, target FROM fhir.concept_map
     WHERE url = %(url)s
"""
MAPS = """
    SELECT id, url, version, status, dated, source, target FROM fhir.concept_map
     WHERE (%(source)s = '' OR source = %(source)s) AND (%(target)s = '' OR target = %(target)s)
"""


async def get_map(cx: Context, url: str, version: str = "") -> Map:
    """Return a concept map.

    Raises:
        MapUnknown: it, or this version of it, has not been loaded.
    """
    row = meant(await (await cx.db.execute(MAP, {"url": url})).fetchall(), version)
    if row is None:
        raise MapUnknown(map=url, version=version)
    return _map(row)


async def list_maps(cx: Context, source: str, target: str) -> list[Map]:
    """Return the newest active version of each map between two value sets; empty: any."""
    rows = await (await cx.db.execute(MAPS, {"source": source, "target": target})).fetchall()
    by_url: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_url.setdefault(row["url"], []).append(row)
    return [_map(max(some, key=newness)) for _, some in sorted(by_url.items())]


def _map(row: Mapping[str, Any]) -> Map:
    return Map(**{name: row[name] for name in Map.__slots__})
