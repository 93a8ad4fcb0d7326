"""Looking at the queue and at what happened, for an operator. Facts are ids and numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from citycare.kernel.context import Context
from citycare.kernel.events.letters import LETTERS
from citycare.kernel.events.model import DeadLetter
from citycare.kit.pages import PAGE_MAX, Page, encode, read


class JobState(StrEnum):
    """How far a job is."""

    WAITING = "todo"
    RUNNING = "doing"
    FAILED = "failed"
    DONE = "succeeded"


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """One job as it stands in the queue."""

    id: int
    name: str
    args: dict[str, Any]
    tries: int
    scheduled_at: datetime | None
    lock: str | None


@dataclass(frozen=True, slots=True)
class Failure:
    """What one try ran into."""

    at: datetime
    error: str
    place: str


@dataclass(frozen=True, slots=True)
class Happened:
    """One event, and how many handlers have done it."""

    id: UUID
    name: str
    facts: dict[str, Any]
    at: datetime
    request_id: str
    handled: int
    open: int


JOBS = """
    SELECT id, task_name AS name, args, attempts AS tries, scheduled_at, lock
      FROM jobs.procrastinate_jobs
     WHERE status = %(state)s::jobs.procrastinate_job_status
       AND (%(before)s::bigint IS NULL OR id < %(before)s)
     ORDER BY id DESC LIMIT %(limit)s
"""


async def list_jobs(
    cx: Context, state: JobState, before: str | None = None, limit: int = 50
) -> Page[QueuedJob]:
    """Return jobs in one state, newest first; `before` is a page's `next`.

    Raises:
        TokenBroken: `before` is not ours.
    """
    limit = max(1, min(limit, PAGE_MAX))
    last = read(before, int)[0] if before else None
    parameters = {"state": state, "before": last, "limit": limit + 1}
    async with cx.db.cursor(row_factory=class_row(QueuedJob)) as cursor:
        rows = await (await cursor.execute(JOBS, parameters)).fetchall()
    return Page(rows[:limit], encode(rows[limit - 1].id) if len(rows) > limit else None)


DEAD = f"{LETTERS} AND job.id = %(job)s"
FAILURES = """
    SELECT at, error, place FROM events.failure WHERE job_id = %(job)s ORDER BY id DESC LIMIT 20
"""


async def find_dead_letter(cx: Context, job_id: int) -> tuple[DeadLetter, list[Failure]] | None:
    """Return one failed job with what its tries ran into, newest first."""
    async with cx.db.cursor(row_factory=class_row(DeadLetter)) as cursor:
        letter = await (await cursor.execute(DEAD.encode(), {"job": job_id})).fetchone()
    if letter is None:
        return None
    async with cx.db.cursor(row_factory=class_row(Failure)) as cursor:
        return letter, await (await cursor.execute(FAILURES, {"job": job_id})).fetchall()


EVENTS = """
    SELECT e.id, e.name, e.facts, e.at, e.request_id,
           (SELECT count(*) FROM events.handled h WHERE h.event_id = e.id AND h.state = 'done')
               AS handled,
           (SELECT count(*) FROM events.handled h WHERE h.event_id = e.id AND h.state <> 'done')
               AS open
      FROM events.event e
     WHERE (%(at)s::timestamptz IS NULL OR (e.at, e.id) < (%(at)s::timestamptz, %(id)s::uuid))
       AND (%(name)s::text IS NULL OR starts_with(e.name, %(name)s))
     ORDER BY e.at DESC, e.id DESC LIMIT %(limit)s
"""


async def list_events(
    cx: Context, name: str = "", before: str | None = None, limit: int = 50
) -> Page[Happened]:
    """Return events whose name starts so, newest first; `before` is a page's `next`.

    Raises:
        TokenBroken: `before` is not ours.
    """
    limit = max(1, min(limit, PAGE_MAX))
    at, last = read(before, datetime, UUID) if before else (None, None)
    parameters = {"at": at, "id": last, "name": name or None, "limit": limit + 1}
    async with cx.db.cursor(row_factory=class_row(Happened)) as cursor:
        rows: Sequence[Happened] = await (await cursor.execute(EVENTS, parameters)).fetchall()
    more = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], encode(more.at.isoformat(), str(more.id)) if more else None)


VITALS = """
    SELECT pg_database_size(current_database()) AS bytes,
           current_setting('server_version') AS version,
           (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database())
               AS connections,
           pg_postmaster_start_time() AS started_at
"""


@dataclass(frozen=True, slots=True)
class Vitals:
    """How the database is."""

    bytes: int
    version: str
    connections: int
    started_at: datetime


async def vitals(cx: Context) -> Vitals:
    """Ask the database how it is."""
    async with cx.db.cursor(row_factory=class_row(Vitals)) as cursor:
        found = await (await cursor.execute(VITALS)).fetchone()
    assert found is not None
    return found
