"""The only place that asks what time it is, but for ids. One request has one instant: `cx.now`."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

CITY = ZoneInfo("Asia/Shanghai")


def now() -> datetime:
    """Return the present instant, UTC, aware."""
    return datetime.now(UTC)


def day_of(instant: datetime) -> date:
    """Return the civil day in the city on which an instant falls."""
    return instant.astimezone(CITY).date()


def at(day: date, clock: time) -> datetime:
    """Return the instant of a wall-clock time on a day in the city, in UTC."""
    return datetime.combine(day, clock, CITY).astimezone(UTC)


def bounds(day: date) -> tuple[datetime, datetime]:
    """Return the first instant of a day in the city and the first of the next."""
    return at(day, time.min), at(day + timedelta(days=1), time.min)
