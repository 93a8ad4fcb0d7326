"""The rows of the list of the day, and the figures above it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from citycare.kernel import identity
from citycare.kernel.context import Channel, Context, policy
from citycare.kernel.identity import Person
from citycare.kit import clock
from citycare.kit.db import Row
from citycare.scenarios.booking.model.core import Pool, Source, State
from citycare.scenarios.booking.pages import staff
from citycare.scenarios.booking.pages.words import SOURCES, STATES
from citycare.scenarios.booking.rules.day import mean_wait
from citycare.scenarios.booking.rules.places import is_elder
from citycare.scenarios.booking.rules.stop import half_day
from citycare.scenarios.booking.service import day as day_service
from citycare.web import forms
from citycare.web.i18n import mark
from citycare.web.manner import Words
from citycare.web.parts import Kpi, Tag, Tone
from citycare.web.rendering import window

HALVES = {"morning": 0, "afternoon": 1, "evening": 2}
SESSIONS = {
    "all": mark("全天"),
    "morning": mark("上午"),
    "afternoon": mark("下午"),
    "evening": mark("晚上"),
}
GONE = frozenset({State.CANCELLED, State.STOPPED})
HERE = frozenset({State.ARRIVED, State.FULFILLED})
NEXT_STEP = {
    State.BOOKED: (State.ARRIVED, mark("报到")),
    State.ARRIVED: (State.FULFILLED, mark("看完")),
    State.NO_SHOW: (State.ARRIVED, mark("他来了")),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The address of the list, to write variants of it."""

    clinic: UUID | None
    day: date
    half: str
    at: UUID | None = None
    org: UUID | None = None

    @classmethod
    def of(cls, address: str, today: date) -> Asked:
        """Read the address of a list back."""
        query = dict(parse_qsl(urlsplit(address).query))
        try:
            clinic = UUID(query["clinic"]) if query.get("clinic") else None
            return cls(clinic, forms.day_of(query.get("day", "")), query.get("half", ""))
        except ValueError:
            return cls(None, today, "")

    def href(self, path: str = "/clinic", **changes: object) -> str:
        """Return the address with something changed."""
        values = {"clinic": self.clinic, "day": self.day, "half": self.half}
        values |= {"at": self.at, "org": self.org if self.clinic is None else None}
        return staff.address(path, **(values | changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One person of the list. `step` is the one thing to do next, as (state, words)."""

    id: UUID
    number: str
    name: str
    note: str
    source: str
    state: State
    status: str
    more: str = ""
    tag: Tag | None = None
    status_tag: Tag | None = None
    group: str = ""
    href: str = ""
    selected: bool = False
    step: tuple[State, str] | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether somebody still has to see this person."""
        return self.state in (State.BOOKED, State.ARRIVED)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the rows need beside the bookings: people, who was here before, the elders' age."""

    people: Mapping[UUID, Person]
    returning: frozenset[UUID]
    elder_age: int
    now: datetime
    href: Callable[..., str]


async def known_of(cx: Context, rows: Sequence[Row], asked: Asked) -> Seen:
    """Read what the rows of one clinic need beside the bookings."""
    persons = {one["person_id"] for one in rows}
    first = min(rows, key=lambda one: one["starts_at"])
    seen = await day_service.seen_here(
        cx, persons, first["organisation_id"], first["department_code"], first["starts_at"]
    )
    people = await identity.list_persons(cx, persons)
    elder = int(await policy.value(cx, "booking.elder.age"))
    return Seen(people, seen, elder, cx.now, asked.href)


def part_of(row: Row) -> int:
    """Return the half-day of a booking: 0 to 12:00, 1 to 17:30, 2 after."""
    return half_day(row["starts_at"])[1]


def session_word(half: str) -> str:
    """Return the words for a half-day, to be looked up."""
    return SESSIONS[half]


def source_of(row: Row, returning: bool, words: Words) -> tuple[str, str]:  # noqa: FBT001
    """Write where somebody comes from: first or again, and by which way where that matters."""
    first = words("复诊") if returning else words("首诊")
    if row["pool"] == Pool.REFERRAL:
        return words("社区转诊"), first
    if row["pool"] == Pool.ONSITE:
        return words("现场"), first
    if row["source"] != Source.BOOK:
        return first, words(SOURCES[Source(row["source"])])
    if row["channel"] in (Channel.WINDOW, Channel.TELEPHONE, Channel.VOLUNTEER):
        return first, words(staff.CHANNELS[Channel(row["channel"])])
    return first, ""


def lines_of(
    rows: Sequence[Row], known: Seen, words: Words, current: UUID | None
) -> tuple[Line, ...]:
    """Shape the bookings of a day, window by window."""
    lines: list[Line] = []
    group = ""
    if current is None:
        coming = (one["id"] for one in rows if one["state"] in (State.BOOKED, State.ARRIVED))
        current = next(coming, None)
    for row in rows:
        is_gone = State(row["state"]) in GONE
        span = window(row["starts_at"], row["ends_at"])
        lines.append(line_of(row, known, words, group="" if is_gone or span == group else span,
                             selected=row["id"] == current))  # fmt: skip
        group = group if is_gone else span
    return tuple(lines)


def line_of(row: Row, known: Seen, words: Words, *, group: str = "", selected: bool) -> Line:
    """Shape one booking."""
    person = known.people.get(row["person_id"])
    state = State(row["state"])
    day = clock.day_of(row["starts_at"])
    old = person is not None and is_elder(person.born_on, day, known.elder_age)
    source, more = source_of(row, row["person_id"] in known.returning, words)
    step = NEXT_STEP.get(state)
    if step is not None and day != clock.day_of(known.now):
        step = None
    return Line(
        id=row["id"],
        number=str(row["number"]),
        name=person.name if person else words("档案已合并"),
        note=staff.note_of(person, known.now, words) if person else "",
        source=source,
        more=more,
        state=state,
        status=_status(row, known.now, words),
        status_tag=_status_tag(state, words),
        tag=Tag(text=words("长者优先"), tone=Tone.GRAY) if old else None,
        group=group,
        href=known.href(at=row["id"]),
        selected=selected,
        step=(step[0], words(step[1])) if step else None,
    )


def _status(row: Row, now: datetime, words: Words) -> str:
    state = State(row["state"])
    if state is State.BOOKED:
        return words("过时未到") if row["ends_at"] <= now else words("未到")
    return words(STATES[state][0])


def _status_tag(state: State, words: Words) -> Tag | None:
    """Put what needs a look into a tag; who is simply not here yet stays plain."""
    if state in (State.BOOKED, State.FULFILLED):
        return None
    text, tone = STATES[state]
    return Tag(text=words(text), tone=tone)


def counts(rows: Sequence[Row], words: Words) -> tuple[Kpi, ...]:
    """Count the list: booked, here, seen, missing, and how long those seen were here.

    A waiting time nobody measured is not shown: it needs arrivals that were noted.
    """
    states = Counter(State(row["state"]) for row in rows)
    booked = sum(number for state, number in states.items() if state not in GONE)
    figures = [
        Kpi(number=str(booked), label=words("已预约")),
        Kpi(number=str(sum(states[one] for one in HERE)), label=words("已到")),
        Kpi(number=str(states[State.FULFILLED]), label=words("已看")),
    ]
    if states[State.NO_SHOW]:
        figures.append(Kpi(number=str(states[State.NO_SHOW]), label=words("没有来")))
    waited = mean_wait((State(row["state"]), row["arrived_at"], row["ended_at"]) for row in rows)
    if waited is not None:
        label = words("平均等到看完（%(n)d 人）", n=waited.people)
        figures.append(Kpi(number=str(waited.minutes), unit=words("分钟"), label=label))
    return tuple(figures)
