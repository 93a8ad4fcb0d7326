"""A booking for the person's own calendar."""

from __future__ import annotations

from datetime import datetime, timedelta

from icalendar import Alarm, Calendar, Event

REMIND = timedelta(hours=-2)


def as_calendar(
    *,
    uid: str,
    starts_at: datetime,
    ends_at: datetime,
    stamp: datetime,
    title: str,
    location: str,
    cancelled: bool,
) -> bytes:
    """Write one VEVENT with a reminder two hours before; instants are UTC.

    The title names doctor and department but no complaint: calendars are read by others.

    Source: RFC 5545 §3.6.1 (VEVENT), §3.6.6 (VALARM), §3.8.1.11 (STATUS).
    """
    event = Event()
    event.add("uid", uid)
    event.add("dtstamp", stamp)
    event.add("dtstart", starts_at)
    event.add("dtend", ends_at)
    event.add("summary", title)
    event.add("location", location)
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("sequence", int(cancelled))
    if not cancelled:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", title)
        alarm.add("trigger", REMIND)
        event.add_component(alarm)
    calendar = Calendar()
    calendar.add("prodid", "-//CityCare//Booking//ZH")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if cancelled else "PUBLISH")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
