"""Windows: small FHIR Slots gathered into longer ones, and what is wrong with a set of them.

Pure. Real hospitals publish one Slot per patient of 5 to 15 minutes; people are told a window of
at most 30 or 60 minutes and a number in it (policy `booking.window.*`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from citycare.journeys.onboarding.faults import Faults
from citycare.journeys.onboarding.model import Origin, TemplateRow, WindowRow
from citycare.kit import clock

CAPACITY_MAX = 60


def gather(windows: Iterable[WindowRow], window_min: int | None) -> list[WindowRow]:
    """Join Slots of one clinic, in order of time.

    Slots with the same start and end are one window with the sum of their places, always. With
    `window_min`, Slots that follow each other without a gap are joined as long as the window
    stays within that many minutes and 60 places. Windows not from Slots are left alone.
    """
    longest = timedelta(minutes=window_min or 0)
    joined: list[WindowRow] = []
    for row in sorted(windows, key=lambda one: (one.starts_at, one.ends_at)):
        last = joined[-1] if joined else None
        if last is None or not (row.part and last.part) or not _joins(last, row, longest):
            joined.append(row)
        else:
            joined[-1] = replace(
                last,
                ends_at=max(last.ends_at, row.ends_at),
                capacity=last.capacity + row.capacity,
            )
    return joined


def _joins(last: WindowRow, row: WindowRow, longest: timedelta) -> bool:
    if last.capacity + row.capacity > CAPACITY_MAX:
        return False
    if (row.starts_at, row.ends_at) == (last.starts_at, last.ends_at):
        return True
    # A twin of the newest Slot that has been joined, or the one that follows it.
    touches = row.starts_at == last.ends_at or (
        row.ends_at == last.ends_at and row.starts_at > last.starts_at
    )
    return touches and row.ends_at - last.starts_at <= longest


def check_windows(
    windows: Sequence[WindowRow], faults: Faults, now: datetime, minutes_max: int
) -> None:
    """Note windows of one clinic, in order of time, that are past, too long, or overlap."""
    last: WindowRow | None = None
    for row in windows:
        shown = f"{row.starts_at.astimezone(clock.CITY):%Y-%m-%d %H:%M}"
        if row.ends_at <= row.starts_at:
            faults.add("window_order", row.origin, "end", shown)
            continue
        if row.ends_at - row.starts_at > timedelta(minutes=minutes_max):
            faults.add("window_too_long", row.origin, "end", shown, limit=minutes_max)
        if row.starts_at <= now:
            faults.add("window_past", row.origin, "start", shown)
        if last is not None and row.starts_at < last.ends_at:
            faults.add("window_overlap", row.origin, "start", shown, other=place(last.origin))
        if last is None or row.ends_at > last.ends_at:
            last = row


def check_templates(templates: Sequence[TemplateRow], faults: Faults, minutes_max: int) -> None:
    """Note templates of one clinic whose windows are too long or that overlap each other."""
    for number, row in enumerate(templates):
        if row.window_min > minutes_max:
            value = row.window_min
            faults.add("window_too_long", row.origin, "window_min", value, limit=minutes_max)
        for other in templates[:number]:
            if _overlap(row, other):
                faults.add(
                    "window_overlap", row.origin, "starts", row.starts, other=place(other.origin)
                )
                break


def _overlap(one: TemplateRow, other: TemplateRow) -> bool:
    return (
        one.weekday == other.weekday
        and one.starts < other.ends
        and other.starts < one.ends
        and (other.valid_to is None or one.valid_from <= other.valid_to)
        and (one.valid_to is None or other.valid_from <= one.valid_to)
    )


def check_both(
    windows: Sequence[WindowRow], templates: Sequence[TemplateRow], faults: Faults
) -> None:
    """Note windows that lie where a weekly template of the same clinic makes its own."""
    for row in windows:
        start, end = row.starts_at.astimezone(clock.CITY), row.ends_at.astimezone(clock.CITY)
        for template in templates:
            day = start.date()
            if (
                template.weekday == day.isoweekday()
                and template.valid_from <= day <= (template.valid_to or day)
                and start.time() < template.ends
                and (end.date() > day or template.starts < end.time())
            ):
                other = place(template.origin)
                faults.add("window_on_template", row.origin, "start", start, other=other)
                break


def place(origin: Origin) -> str:
    """Write where something stands, for the words of another fault."""
    return f"{origin.file} {origin}"
