"""Throwing away what has served its time, a bounded number of rows per transaction."""

from __future__ import annotations

from datetime import timedelta

from citycare.kernel.context import Context
from citycare.kernel.events import queue
from citycare.kernel.events.model import EVENTS_KEPT_DAYS, REPLIES_KEPT_DAYS, Job, Periodic

ROWS_MAX = 20_000

REPLIES = """
    DELETE FROM events.reply WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM events.reply WHERE at < %(before)s LIMIT %(rows)s))
"""
# An event with a handler that was handed on may still be replayed: it stays, and so does the row.
EVENTS = """
    DELETE FROM events.event WHERE id = ANY(ARRAY(
        SELECT id FROM events.event old
         WHERE at < %(before)s AND NOT EXISTS (
               SELECT 1 FROM events.handled WHERE event_id = old.id AND state = 'handed_on')
         LIMIT %(rows)s))
"""
DONE = """
    DELETE FROM events.done WHERE job_id = ANY(ARRAY(
        SELECT job_id FROM events.done old
         WHERE at < %(before)s AND NOT EXISTS (
               SELECT 1 FROM jobs.procrastinate_jobs WHERE id = old.job_id)
         LIMIT %(rows)s))
"""
FAILURES = """
    DELETE FROM events.failure WHERE id = ANY(ARRAY(
        SELECT id FROM events.failure old
         WHERE at < %(before)s AND NOT EXISTS (
               SELECT 1 FROM jobs.procrastinate_jobs WHERE id = old.job_id)
         LIMIT %(rows)s))
"""


async def purge(cx: Context) -> int:
    """Delete old replies (7 days), and old events with their marks (30 days); return how many.

    What is too much for one transaction goes on in a job of its own.
    """
    week = cx.now - timedelta(days=REPLIES_KEPT_DAYS)
    month = cx.now - timedelta(days=EVENTS_KEPT_DAYS)
    gone = [
        (await cx.db.execute(statement, {"before": before, "rows": ROWS_MAX})).rowcount
        for statement, before in (
            (REPLIES, week),
            (EVENTS, month),
            (DONE, month),
            (FAILURES, month),
        )
    ]
    if max(gone) == ROWS_MAX:
        await queue.defer(cx, PURGE_ON.name, {})
    return sum(gone)


PURGE_ON = Job("events.purge_on", purge)
PURGE = Periodic("events.purge", "17 19 * * *", purge)  # 3:17 in the city
