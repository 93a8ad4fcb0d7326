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


# Mean of the visits that are over and whose arrival was noted, as rules.day.mean_wait counts.
WAITS = """
    SELECT w.hour, sum(w.people)::int AS people, sum(w.seconds)::float8 AS seconds
      FROM (SELECT DISTINCT organisation_id FROM booking.clinic) o
     CROSS JOIN LATERAL (
           SELECT extract(hour FROM b.starts_at AT TIME ZONE 'Asia/Shanghai')::int AS hour,
                  count(*) AS people,
                  sum(greatest(0, extract(epoch FROM b.ended_at - b.arrived_at))) AS seconds
             FROM booking.booking b
            WHERE b.organisation_id = o.organisation_id
              AND b.starts_at >= %(start)s AND b.starts_at < %(end)s
              AND b.state = 'fulfilled' AND b.arrived_at IS NOT NULL AND b.ended_at IS NOT NULL
            GROUP BY 1) w
     GROUP BY w.hour ORDER BY w.hour
"""


async def waits(db: Connection, day: tuple[datetime, datetime]) -> list[Row]:
    """Add up, by the hour of the window, how long those seen were there, and how many they are."""
    return await (await db.execute(WAITS, {"start": day[0], "end": day[1]})).fetchall()


async def by_hour(db: Connection, day: tuple[datetime, datetime]) -> list[Row]:
    """Count the places of a day by the hour their window starts: busy and free."""
    return await (await db.execute(BY_HOUR, {"start": day[0], "end": day[1]})).fetchall()
