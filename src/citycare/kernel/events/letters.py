"""Failures and dead letters: what went wrong, for an operator to see and to replay.

An error's message may quote what it choked on, so only its type (or our code) and the place in
our code are written down.
"""

from __future__ import annotations

import traceback

from psycopg.rows import class_row

from citycare.kernel.context import Context
from citycare.kernel.events.model import Backlog, DeadLetter, NoDeadLetter
from citycare.kit.db import Connection
from citycare.kit.errors import AppError
from citycare.kit.pages import PAGE_MAX, Page, encode, read

ADD = """
    INSERT INTO events.failure (job_id, at, error, place)
    VALUES (%(job)s, %(now)s, %(error)s, %(place)s)
"""


FREE_ONCE = """
    UPDATE jobs.procrastinate_jobs SET queueing_lock = NULL
     WHERE id = %(job)s AND queueing_lock IS NOT NULL
"""


async def keep_failure(cx: Context, job_id: int, error: BaseException) -> None:
    """Write down that a try of a job failed, and let go of its `once` key.

    While it ran, another job of that key may have been put in; going back into the queue with
    the key would then be refused, and the job would hang.
    """
    await cx.db.execute(
        ADD, {"job": job_id, "now": cx.now, "error": name_of(error), "place": place_of(error)}
    )
    await cx.db.execute(FREE_ONCE, {"job": job_id})


def name_of(error: BaseException) -> str:
    """Return the stable code of an expected error, the type of any other."""
    return error.code if isinstance(error, AppError) else type(error).__qualname__


def place_of(error: BaseException) -> str:
    """Return file and line of the innermost frame in our own code, or of the last one."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "citycare" in frame.filename] or list(frames)
    if not ours:
        return "unknown"
    return f"{ours[-1].filename.rpartition('/citycare/')[2]}:{ours[-1].lineno}"


LETTERS = """
    SELECT job.id AS job_id, job.task_name AS name, job.args, job.attempts AS tries,
           last.at AS failed_at, last.error, last.place
      FROM jobs.procrastinate_jobs job
      LEFT JOIN LATERAL (
           SELECT at, error, place FROM events.failure
            WHERE job_id = job.id ORDER BY id DESC LIMIT 1) last ON true
     WHERE job.status = 'failed'
"""
LIST = f"""{LETTERS}
       AND (%(before)s::bigint IS NULL OR job.id < %(before)s::bigint)
     ORDER BY job.id DESC
     LIMIT %(limit)s
"""


async def list_dead_letters(
    cx: Context, before: str | None = None, limit: int = 50
) -> Page[DeadLetter]:
    """Return failed jobs, newest first; `before` is a page's `next`.

    Raises:
        TokenBroken: `before` is not ours.
    """
    limit = max(1, min(limit, PAGE_MAX))
    last = read(before, int)[0] if before else None
    async with cx.db.cursor(row_factory=class_row(DeadLetter)) as cursor:
        await cursor.execute(LIST.encode(), {"before": last, "limit": limit + 1})
        rows = await cursor.fetchall()
    return Page(rows[:limit], encode(rows[limit - 1].job_id) if len(rows) > limit else None)


REPLAY = """
    UPDATE jobs.procrastinate_jobs
       SET status = 'todo', attempts = 0, scheduled_at = NULL, worker_id = NULL,
           queueing_lock = NULL
     WHERE id = %(job)s AND status = 'failed'
"""


async def replay(cx: Context, job_id: int) -> None:
    """Let a dead letter be tried again from the start, or raise NoDeadLetter."""
    if (await cx.db.execute(REPLAY, {"job": job_id})).rowcount != 1:
        raise NoDeadLetter(job=job_id)


DISCARD = (
    "DELETE FROM jobs.procrastinate_jobs WHERE id = %(job)s AND status = 'failed' RETURNING args"
)

CLOSE_PAIR = """
    UPDATE events.handled SET state = 'done', at = %(now)s
     WHERE event_id = %(event)s::uuid AND handler = %(handler)s
"""


async def discard(cx: Context, job_id: int) -> None:
    """Give a dead letter up for good, or raise NoDeadLetter; the caller audits who did so."""
    row = await (await cx.db.execute(DISCARD, {"job": job_id})).fetchone()
    if row is None:
        raise NoDeadLetter(job=job_id)
    if set(row["args"]) == {"event", "handler"}:
        await cx.db.execute(CLOSE_PAIR, {**row["args"], "now": cx.now})


BACKLOG = """
    SELECT count(*) FILTER (WHERE status = 'todo' AND coalesce(scheduled_at, now()) <= now())
               AS waiting,
           count(*) FILTER (WHERE status = 'doing') AS running,
           count(*) FILTER (WHERE status = 'failed') AS dead
      FROM jobs.procrastinate_jobs
"""


async def backlog(db: Connection) -> Backlog:
    """Count the jobs that wait, run, and have failed, for health checks and metrics."""
    async with db.cursor(row_factory=class_row(Backlog)) as cursor:
        counted = await (await cursor.execute(BACKLOG)).fetchone()
    return counted or Backlog(0, 0, 0)
