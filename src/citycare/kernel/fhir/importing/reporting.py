"""Imports as they are noted: all parts for a page, what was refused of one, both as a file."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import orjson
from psycopg.rows import class_row

from citycare.kernel.context import Context
from citycare.kernel.fhir.importing.model import Known, Result, as_told
from citycare.kernel.fhir.model import Violation
from citycare.kit import pages
from citycare.kit.pages import Page

COLUMNS = ("file", "place", "type", "id", "element", "code", "words", "message")
PAGE = 1_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")

PARTS = """
    SELECT digest, name, bytes, done, created, updated, unchanged, refused, began_at, ended_at
      FROM fhir.import_part
     WHERE %(digest)s::bytea IS NULL OR (began_at, digest) < (%(began)s, %(digest)s)
     ORDER BY began_at DESC, digest DESC LIMIT %(count)s
"""


async def list_parts(cx: Context, after: str | None = None, count: int = 50) -> Page[Known]:
    """Return the parts of imports, those begun last first."""
    began, digest = pages.read(after, datetime, str) if after is not None else (None, None)
    count = max(1, min(count, pages.PAGE_MAX))
    try:
        last = None if digest is None else bytes.fromhex(digest)
    except ValueError as error:
        raise pages.TokenBroken from error
    values = {"began": began, "digest": last, "count": count + 1}
    async with cx.db.cursor(row_factory=class_row(Known)) as cursor:
        found = await (await cursor.execute(PARTS, values)).fetchall()
    if len(found) <= count:
        return Page(found, None)
    end = found[count - 1]
    return Page(found[:count], pages.encode(end.began_at.isoformat(), end.digest.hex()))


REFUSED = """
    SELECT place, type, id, faults FROM fhir.import_fault
     WHERE digest = %(digest)s AND place > %(after)s
     ORDER BY place LIMIT %(count)s
"""


async def refused(cx: Context, digest: bytes) -> AsyncIterator[dict[str, Any]]:
    """Yield what was refused of a part, in the order of places (lines from 1, entries from 0).

    Yields:
        `place`, `type`, `id`, and `faults`, each with `element`, `code`, `words`, `message`.
    """
    after = -1
    while True:
        values = {"digest": digest, "after": after, "count": PAGE}
        rows = await (await cx.db.execute(REFUSED, values)).fetchall()
        for row in rows:
            yield row
        if len(rows) < PAGE:
            return
        after = rows[-1]["place"]


async def write(
    cx: Context, results: Sequence[Result], path: Path, warnings: Sequence[Violation] = ()
) -> int:
    """Write the faults of all parts; return how many resources were refused.

    Args:
        cx: the action.
        results: parts of one run.
        warnings: of resources that are stored all the same; they come last, without file and place.
        path: ends in `.csv` for CSV (with a mark, as spreadsheets want it); else NDJSON.

    Raises:
        OSError: the file cannot be written.
    """
    count = 0
    as_csv = path.suffix.lower() == ".csv"
    with path.open("w", encoding="utf-8-sig" if as_csv else "utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        if as_csv:
            table.writeheader()
        for result in results:
            if not result.counts.refused:
                continue
            async for row in refused(cx, result.digest):
                count += 1
                _tell(file, table if as_csv else None, {"file": result.part.name, **row})
        for one in warnings:
            told = {"file": "", "place": None, "type": one.type, "id": one.id}
            _tell(file, table if as_csv else None, told | {"faults": [as_told(one)]})
    return count


def _tell(file: TextIO, table: csv.DictWriter[str] | None, told: dict[str, Any]) -> None:
    """Write the faults of one resource: a line of JSON, or a row a fault."""
    if table is None:
        file.write(orjson.dumps(told).decode() + "\n")
        return
    faults = told.pop("faults")
    table.writerows({k: _cell(v) for k, v in (told | one).items()} for one in faults)


def _cell(value: Any) -> Any:
    """Keep a spreadsheet from taking what came from outside for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
