"""Words for the parts of a page, in the language of the request."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.requests import Request

from citycare.kit import clock
from citycare.scenarios.booking.model.core import Source, State
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Booking, Tag, Tone
from citycare.web.rendering import local_day, local_time, window

EARLY_MIN = 15  # how early people are advised to come: ours, and no rule asks for it
STATES: dict[State, tuple[str, Tone]] = {
    State.BOOKED: (mark("已预约"), Tone.OK),
    State.ARRIVED: (mark("已到"), Tone.OK),
    State.FULFILLED: (mark("已看完"), Tone.GRAY),
    State.CANCELLED: (mark("已取消"), Tone.GRAY),
    State.MOVED: (mark("已改约"), Tone.GRAY),
    State.NO_SHOW: (mark("没有来"), Tone.SOON),
    State.STOPPED: (mark("停诊"), Tone.DANGER),
}
SOURCES: dict[Source, str] = {
    Source.BOOK: mark("预约"),
    Source.DRAW: mark("摇号"),
    Source.WAITLIST: mark("候补"),
    Source.RESCHEDULE: mark("改约"),
    Source.REPLACEMENT: mark("停诊改约"),
}


def when(request: Request, row: Any) -> str:
    """Write day and window: '11月26日 周四 8:30–9:00'."""
    day = local_day(row["starts_at"], manner_of(request).lang)
    return f"{day} {window(row['starts_at'], row['ends_at'])}"


def until(request: Request, instant: datetime, now: datetime) -> str:
    """Write a deadline: '今天 11:12', another day '11月26日 周四 11:12'."""
    lang = manner_of(request).lang
    if clock.day_of(instant) == clock.day_of(now):
        return words_of(request)(mark("今天 %(time)s"), time=local_time(instant))
    return f"{local_day(instant, lang)} {local_time(instant)}"


def place_of(row: Any, words: Words) -> str:
    """Write 'doctor · department · hospital'; a general clinic has no doctor."""
    doctor = row["practitioner_name"] or words("普通门诊")
    return " · ".join((doctor, row["department_name"], row["organisation_short"]))


def state_tag(state: State | str, words: Words) -> Tag:
    """Write the state of a booking as a tag."""
    text, tone = STATES[State(state)]
    return Tag(text=words(text), tone=tone)


def booking_part(row: Any, words: Words) -> Booking:
    """Shape a booking of a list."""
    state = State(row["state"])
    number = words("第 %(n)d 号", n=row["number"])
    note = " · ".join(filter(None, (number, row["room"])))
    return Booking(
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        place=place_of(row, words),
        href=f"/bookings/{row['id']}",
        note=note if state in (State.BOOKED, State.ARRIVED) else "",
        tag=None if state is State.BOOKED else state_tag(state, words),
        ended=state not in (State.BOOKED, State.ARRIVED),
    )


def is_today(row: Any, now: Any) -> bool:
    """Tell whether a window lies on the city's present day."""
    return clock.day_of(row["starts_at"]) == clock.day_of(now)


def booked(words: Words) -> str:
    """Say that it worked, and when to come."""
    return words("约好了。到时提前 %(n)d 分钟到就行。", n=EARLY_MIN)


def kept(words: Words) -> str:
    """Say that the replacement stands, and when to come."""
    return words("好，就按这个时间。到时提前 %(n)d 分钟到就行。", n=EARLY_MIN)
