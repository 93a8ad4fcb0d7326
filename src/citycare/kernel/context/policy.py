"""Policy parameters: numbers that rules need and authorities change, as versioned data.

Each has a source and a status; UNVERIFIED ones are shown as such to the operator. A value holds
from `effective_from` until a later one takes over. Never a constant in code.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from psycopg.rows import class_row

from citycare.kernel.context.model import Context
from citycare.kit.errors import NotFound


class Status(StrEnum):
    """Whether somebody has checked the value against its source."""

    VERIFIED = "VERIFIED"
    UNVERIFIED = "UNVERIFIED"


class ParameterUnknown(NotFound):
    """No policy value is in force under this name."""

    code = "policy.parameter_unknown"
    words = "这项规定还没有设定，请联系平台管理员。"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value of one parameter, from one day on."""

    key: str
    value: Any
    unit: str
    source: str
    status: Status
    effective_from: datetime
    note: str


IN_FORCE = """
    SELECT DISTINCT ON (key) key, value, unit, source, status, effective_from, note
      FROM policy.parameter
     WHERE effective_from <= %(now)s AND (%(key)s::text IS NULL OR key = %(key)s)
     ORDER BY key, effective_from DESC
"""

PREFIX = """
    SELECT DISTINCT ON (key) key, value
      FROM policy.parameter
     WHERE effective_from <= %(now)s AND key LIKE %(prefix)s || '%%'
     ORDER BY key, effective_from DESC
"""

HISTORY = """
    SELECT key, value, unit, source, status, effective_from, note
      FROM policy.parameter WHERE key = %(key)s ORDER BY effective_from DESC LIMIT 100
"""

SET = """
    INSERT INTO policy.parameter (key, value, unit, source, status, effective_from, note)
    SELECT key, %(value)s, unit, %(source)s, %(status)s, %(now)s, %(note)s
      FROM policy.parameter WHERE key = %(key)s ORDER BY effective_from DESC LIMIT 1
 RETURNING key
"""


async def value(cx: Context, key: str) -> Any:
    """Return the value in force now, or raise ParameterUnknown."""
    row = await (await cx.db.execute(IN_FORCE, {"now": cx.now, "key": key})).fetchone()
    if row is None:
        raise ParameterUnknown(key=key)
    return row["value"]


async def values(cx: Context, prefix: str) -> dict[str, Any]:
    """Return all values in force whose key starts with `prefix`, keyed without it."""
    rows = await (await cx.db.execute(PREFIX, {"now": cx.now, "prefix": prefix})).fetchall()
    return {row["key"].removeprefix(prefix): row["value"] for row in rows}


async def list_in_force(cx: Context) -> list[Parameter]:
    """Return every parameter in force, by key, for the operator's page."""
    async with cx.db.cursor(row_factory=class_row(Parameter)) as cursor:
        return await (await cursor.execute(IN_FORCE, {"now": cx.now, "key": None})).fetchall()


async def list_history(cx: Context, key: str) -> list[Parameter]:
    """Return every value one parameter had, has or will have, newest first, at most 100."""
    async with cx.db.cursor(row_factory=class_row(Parameter)) as cursor:
        return await (await cursor.execute(HISTORY, {"key": key})).fetchall()


async def change(cx: Context, key: str, value: Any, *, source: str, note: str) -> None:
    """Put a new value in force now; the old one stays as history. Status becomes VERIFIED."""
    parameters = {
        "key": key,
        "value": orjson.dumps(value).decode(),
        "source": source,
        "status": Status.VERIFIED,
        "note": note,
        "now": cx.now,
    }
    if await (await cx.db.execute(SET, parameters)).fetchone() is None:
        raise ParameterUnknown(key=key)
