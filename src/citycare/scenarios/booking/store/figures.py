"""Counts for those who run the platform."""

from __future__ import annotations

from datetime import datetime

from citycare.kit.db import Connection, Row

# By organisation, because that is how the windows are indexed: no scan of all windows there are.
BY_HOUR = """
    SELECT s.hour, sum(s.busy)::int AS busy, sum(s.free)::int AS free
      FROM (SELECT DISTINCT organisation_id FROM booking.clinic) o
     CROSS JOIN LATERAL (
           SELECT extract(hour FROM w.starts_at AT TIME ZONE 'Asia/Shanghai')::int AS hour,
                  w.busy, w.free
             FROM booking.slot w
            WHERE w.organisation_id = o.organisation_id AND w.state = 'open'
              AND w.starts_at >= %(start)s AND w.starts_at < %(end)s) s
     GROUP BY s.hour ORDER BY s.hour
"""


async def by_hour(db: Connection, day: tuple[datetime, datetime]) -> list[Row]:
    """Count the places of a day by the hour their window starts: busy and free."""
    return await (await db.execute(BY_HOUR, {"start": day[0], "end": day[1]})).fetchall()
