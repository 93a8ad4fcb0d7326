"""A resource as the row that is kept of it: checked, put into the index, written as text.

JSON text is written once and kept exactly; decimals keep their written precision (`1.50`), so
reading gives `Decimal`, never a float.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from citycare.kernel.fhir import validate
from citycare.kernel.fhir.model import Invalid, Key, Resource, ResourceExists, TooMany
from citycare.kernel.fhir.searching import indexing
from citycare.kernel.fhir.searching.indexing import Indexed
from citycare.kernel.fhir.searching.keys import owner_key, resource_hash
from citycare.kernel.fhir.searching.ways import ways_of

RESOURCES_MAX = 10_000
VIOLATIONS_MAX = 100
MISSING = float("-inf")
OPEN = -1e18
"""`since` of what has no main date, and of a main date without a start."""


def loads(text: str) -> Any:
    """Read JSON, numbers with a point as Decimal."""
    return json.loads(text, parse_float=Decimal)


def dumps(value: Any) -> str:
    """Write JSON, Decimal with the digits it has."""
    return orjson.dumps(value, default=_default).decode()


def _default(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} has no place in JSON")


IN_FRONT = frozenset(("resourceType", "id", "meta"))


def rest_of(resource: Resource) -> str:
    """Write all of a resource but what stands in front of a body: its type, id and meta.

    Raises:
        TypeError: half a surrogate pair, a number of 30 digits, more than 250 levels.
    """
    return dumps({name: one for name, one in resource.items() if name not in IN_FRONT})


@dataclass(frozen=True, slots=True)
class Row:
    """A resource, and what of it goes into the index; `rest` as `rest_of`, where it is written."""

    type: str
    id: str
    found: Indexed
    resource: Resource
    rest: str = ""

    def body(self, version: int, updated_at: str) -> str:
        """Write the resource with the meta of this version; all else as given."""
        given = self.resource.get("meta")
        meta = {
            **(given if isinstance(given, dict) else {}),
            "versionId": str(version),
            "lastUpdated": updated_at,
        }
        front = dumps({"resourceType": self.type, "id": self.id, "meta": meta})
        rest = self.rest or rest_of(self.resource)
        return front if rest == "{}" else f"{front[:-1]},{rest[1:]}"


@dataclass(frozen=True, slots=True)
class Kept:
    """A version as it was stored; `updated_at` as `meta.lastUpdated` has it."""

    key: Key
    updated_at: str
    body: str


def prepare(
    resources: Sequence[Resource],
    *,
    valid: bool = False,
    base: str = "",
    owner: UUID | None = None,
) -> list[Row]:
    """Check all, then make the rows, in a fixed order (locks are taken in it).

    Raises:
        TooMany, Invalid: nothing is made.
        ResourceExists: one id comes twice.
    """
    if len(resources) > RESOURCES_MAX:
        raise TooMany(count=len(resources), most=RESOURCES_MAX)
    found = []
    for resource in () if valid else resources:
        found += validate.violations(resource)
        if len(found) >= VIOLATIONS_MAX:
            break
    if found:
        raise Invalid(found)
    rows = [_row(one, base, owner) for one in resources]
    rows.sort(key=lambda row: (row.type, row.id))
    for left, right in itertools.pairwise(rows):
        if (left.type, left.id) == (right.type, right.id):
            raise ResourceExists(type=left.type, id=left.id)
    return rows


def _row(resource: Resource, base: str, owner: UUID | None) -> Row:
    found = indexing.indexed(resource, base)
    if owner is not None:
        found = replace(found, keys=(*found.keys, owner_key(str(owner))))
    return Row(resource["resourceType"], resource["id"], found, resource)


def kept(rows: Sequence[Row], versions: Sequence[int], now: datetime) -> list[Kept]:
    """Write rows as they will be stored."""
    at = instant(now)
    return [
        Kept(Key(row.type, row.id, version), at, row.body(version, at))
        for row, version in zip(rows, versions, strict=True)
    ]


def instant(now: datetime) -> str:
    """Write `meta.lastUpdated`, to the millisecond."""
    return now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def records(rows: Sequence[Row], kept: Sequence[Kept]) -> str:
    """Write rows as one JSON array: one parameter, whatever their number."""
    every = [
        {
            "type": row.type,
            "id": row.id,
            "version": one.key.version,
            "body": one.body,
            **index_of(row),
        }
        for row, one in zip(rows, kept, strict=True)
    ]
    return orjson.dumps(every).decode()


def index_of(row: Row) -> dict[str, Any]:
    """Return the columns of the index, and measures by column."""
    found = row.found
    since, until = found.main or (MISSING, None)
    columns: dict[str, Any] = {
        "hash": resource_hash(row.type, row.id),
        "since": _number(max(since, OPEN) if found.main else MISSING),
        "until": _number(until),
        "keys": found.keys,
        "present": bits(row.type, found.present),
    }
    if found.measures:
        ways, units, lows, highs = zip(*found.measures, strict=True)
        columns |= {
            "ways": ways, "units": units,
            "lows": list(map(_number, lows)), "highs": list(map(_number, highs)),
        }  # fmt: skip
    return columns


def bits(resource_type: str, present: int) -> str:
    """Write which lanes have a value, lane 0 first."""
    return f"{present:0{len(ways_of(resource_type))}b}"[::-1]


def wordings(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Return what texts of codings there are, by column, each once and in order."""
    every = sorted({each for row in rows for each in row.found.wordings})
    columns = zip(*every, strict=True) if every else ((), (), ())
    return dict(zip(("ways", "keys", "words"), map(list, columns), strict=True))


def _number(value: float | None) -> float | str | None:
    """JSON has no infinity; PostgreSQL reads the word."""
    return value if value is None or abs(value) != float("inf") else str(value)
