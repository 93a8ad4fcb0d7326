"""The import as one function: read, check, and write in one transaction, or write nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from citycare.journeys.onboarding import read as reading
from citycare.journeys.onboarding import write as writing
from citycare.journeys.onboarding.faults import Faults
from citycare.journeys.onboarding.model import Origin, Read, Report, Tell
from citycare.journeys.onboarding.plan import Plan, Planner
from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kit import clock, ids
from citycare.kit.db import Database
from citycare.kit.errors import AppError, Busy, Unavailable

PURPOSE = "onboarding.import"


class _Undo(Exception):
    """Ends the transaction without keeping anything."""


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""


async def import_paths(
    database: Database,
    paths: Sequence[Path],
    *,
    check_only: bool = False,
    window_min: int | None = None,
    tell: Tell = silent,
    now: datetime | None = None,
) -> Report:
    """Import a hospital's files: organisations, staff, clinics, schedules and windows.

    All faults of all files are collected first. Without any, everything is written in one
    transaction; with one, nothing is.

    Args:
        database: where to write, as the application's role.
        paths: files (.csv, .ndjson, .jsonl, .json) or folders of them, in any order.
        check_only: read and check everything, write nothing.
        window_min: join FHIR Slots that follow each other into windows of so many minutes.
        tell: is told what is being done, and how much of how much.
        now: the instant that parts past from future; the present one when left out.

    Raises:
        NothingToImport: a path does not exist, or there is no file.
        Busy, Unavailable: the database; nothing was written, the import can be run again.
    """
    files = reading.find_files(paths)
    faults = Faults()
    read = await asyncio.to_thread(reading.read_files, files, faults, tell)
    instant = now or clock.now()
    written: dict[str, int] = {}
    try:
        async with database.transaction() as db:
            cx = Context(db, SYSTEM, instant, str(ids.new()), Channel.HOSPITAL, PURPOSE)
            plan = await _plan(cx, read, faults, window_min)
            if faults.count or check_only:
                raise _Undo  # noqa: TRY301 - leaves the transaction
            written = await _write(cx, plan, faults, tell)
    except _Undo:
        written = {}
    return Report(
        files=tuple(str(path) for path in files),
        checked_only=check_only,
        faults=tuple(faults.kept),
        fault_count=faults.count,
        notes=tuple(faults.notes),
        read=read.counts(),
        written=written,
    )


async def _plan(cx: Context, read: Read, faults: Faults, window_min: int | None) -> Plan:
    known = await writing.load_known(cx, read)
    planner = Planner(read, known, faults)
    return planner.run(cx.now, window_min, await writing.minutes_max(cx))


def _origin(plan: Plan, fact: object) -> Origin | None:
    return plan.origins.get(fact) if isinstance(fact, UUID) else None


async def _write(cx: Context, plan: Plan, faults: Faults, tell: Tell) -> dict[str, int]:
    """Write; what a scenario still refuses (a clash with what is there) becomes a fault."""
    try:
        return await writing.write(cx, plan, faults, tell)
    except (Busy, Unavailable):
        raise
    except AppError as error:
        origin = next(
            (found for fact in error.facts.values() if (found := _origin(plan, fact))), None
        )
        place: Origin | str = origin or ""
        faults.add("refused", place, error.code, error, words=error.words, message=error.message())
        raise _Undo from error
