"""FHIR dates as spans of time: a day is 24 hours in the city's zone, a second is one second.

Source: HL7 FHIR R4 §2.24.0.1 (date, dateTime, instant) and §3.1.1.4.7 (date search: the span of
the value is compared with the span of the resource).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from citycare.kit import clock

Span = tuple[datetime, datetime]

EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)
PARTIAL = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
LOOSE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
DECEMBER = 12


@lru_cache(maxsize=4_096)  # windows share their instants
def span(text: str) -> Span:
    """Return the span of a date, dateTime or instant as resources write it.

    Raises:
        ValueError: it is none of these.
    """
    if "T" not in text:
        return _days(text)
    found = INSTANT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    start = datetime.fromisoformat(text).astimezone(UTC)
    return start, start + timedelta(milliseconds=1 if found[1] else 1_000)


def instant(value: Any) -> Span:
    """Return the span of an instant, which has at least seconds and a zone."""
    if not isinstance(value, str) or "T" not in value:
        raise ValueError(value)
    return span(value)


def span_of_query(text: str) -> Span:
    """Return the span of a date in a search, where seconds and zone may be left out."""
    found = LOOSE.fullmatch(text.replace(" ", "+"))
    if found is None:
        return _days(text)
    minute, second, zone = found.groups()
    start = datetime.fromisoformat(minute + (second or "") + (zone or ""))
    if start.tzinfo is None:
        start = start.replace(tzinfo=clock.CITY)
    if second is None:
        length = timedelta(minutes=1)
    else:
        length = timedelta(milliseconds=1 if "." in second else 1_000)
    return start.astimezone(UTC), start.astimezone(UTC) + length


def span_of_element(value: Any) -> Span:
    """Return the span of a date element or of a Period, open ends included."""
    if isinstance(value, str):
        return span(value)
    if not isinstance(value, dict):
        raise ValueError(value)  # noqa: TRY004 - as wrong as a wrong date
    low = span(value["start"])[0] if "start" in value else EARLIEST
    high = span(value["end"])[1] if "end" in value else LATEST
    if high <= low:
        raise ValueError("end before start")
    return low, high


def _days(text: str) -> Span:
    found = PARTIAL.fullmatch(text)
    if found is None:
        raise ValueError(text)
    year = int(found[1])
    month, day = (int(part) if part else None for part in found.group(2, 3))
    if month is None:
        first, following = date(year, 1, 1), date(min(year + 1, 9999), 1, 1)
    elif day is None:
        first = date(year, month, 1)
        following = date(year + month // DECEMBER, month % DECEMBER + 1, 1)
    else:
        first = date(year, month, day)
        following = first + timedelta(days=1)
    return clock.bounds(first)[0], clock.bounds(following)[0]
