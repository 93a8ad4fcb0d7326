"""Choosing a time in elder mode: one question a screen, each answer a link, no script needed.

Again with the same doctor, or which department → which day → which doctor → what time. The same
addresses as the standard page: `q`, `clinic`, `day`, `move`; `step` and `skip` say how far down a
list somebody is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from starlette.requests import Request

from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.kit.money import Money
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.finder import DayCount, Found
from citycare.scenarios.booking.model.finder import Query as Asking
from citycare.scenarios.booking.model.schedule import Clinic
from citycare.scenarios.booking.pages.asked import Asked
from citycare.scenarios.booking.pages.queued import mark_queued
from citycare.scenarios.booking.rules.finder import far_too
from citycare.scenarios.booking.service import finder, lists, queue
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Action, Link
from citycare.web.rendering import local_day, local_time, window, yuan

AGAIN_MAX = 2
ROWS_MAX = 5
STRIP = 14
DEPARTMENTS: tuple[tuple[str, str], ...] = (
    (mark("心血管内科"), mark("血压高、心慌、胸闷")),
    (mark("内分泌科"), mark("血糖高、甲状腺")),
    (mark("骨科"), mark("腰疼、腿疼、关节疼")),
    (mark("眼科"), mark("看不清、白内障")),
    (mark("神经内科"), mark("头晕、手抖、手脚麻")),
    (mark("消化内科"), mark("胃疼、吃不下、拉肚子")),
    (mark("呼吸内科"), mark("咳嗽、气喘")),
    (mark("泌尿外科"), mark("起夜多、小便不畅")),
    (mark("口腔科"), mark("牙疼、装假牙")),
    (mark("耳鼻咽喉科"), mark("听不清、耳鸣、嗓子不舒服")),
    (mark("皮肤科"), mark("发痒、起疹子")),
    (mark("中医科"), mark("调理身体")),
)
DEPARTMENT, TYPE = "department", "type"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionPage:
    """One question: rows to tap, then quieter ways on. `typing`: the answer is typed instead."""

    title: str
    words: str
    rows: tuple[Link, ...]
    others: tuple[Action, ...]
    back: str
    typing: bool = False
    typed: str = ""
    hidden: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in the questions the person is."""

    step: str
    skip: int
    me: UUID | None


async def question(
    request: Request, cx: Context, asked: Asked, place: Place, found: finder.Answer
) -> QuestionPage:
    """Return the one question to ask now."""
    words = words_of(request)
    if asked.clinic is None and not asked.q:
        return await _first(request, cx, asked, place, words)
    if not found.items:
        what = words("没有找到“%(text)s”，换个说法试试。", text=asked.q)
        return _typing(asked, words, what if asked.q else words("没有找到这个门诊。"))
    clinics = [one.clinic for one in found.items]
    if found.query.near and not found.located:
        areas = await finder.list_areas(cx)
        if areas:
            return _areas(asked, place, areas, words)
    if asked.day is None:
        return await _days(request, cx, asked, place, clinics, words)
    if asked.clinic is None:
        return await _doctors(request, cx, asked, place, found.items, words)
    return await _times(request, cx, asked, place, clinics[0], words)


async def _first(
    request: Request, cx: Context, asked: Asked, place: Place, words: Words
) -> QuestionPage:
    if place.step == TYPE:
        return _typing(asked, words, "")
    again = await _again(request, cx, asked, place, words)
    return again or _departments(asked, place, words)


def name_of(clinic: Clinic, words: Words) -> str:
    """Name a clinic as people do: the doctor and title, or the department's general one."""
    doctor = clinic.practitioner_name or words("普通门诊")
    return " ".join(filter(None, (doctor, clinic.title)))


async def _again(
    request: Request, cx: Context, asked: Asked, place: Place, words: Words
) -> QuestionPage | None:
    """Offer the doctors seen before with their next open window; None when there is none."""
    if place.me is None or place.step == DEPARTMENT:
        return None
    _, seen = await lists.history_of(cx, place.me)
    rows = []
    for clinic in await lists.get_clinics(cx, seen[:AGAIN_MAX]):
        row = await _next(request, cx, asked, clinic, words)
        if row is not None:
            rows.append(row)
    if not rows:
        return None
    return QuestionPage(
        title=words("还找上次的医生吗？"),
        words="",
        rows=tuple(rows),
        others=(Action(label=words("不，看别的科"), href=asked.href(step=DEPARTMENT)),),
        back="/",
    )


async def _next(
    request: Request, cx: Context, asked: Asked, clinic: Clinic, words: Words
) -> Link | None:
    today = clock.day_of(cx.now)
    strip = await finder.days_of(cx, [clinic.id], Asking((), today), STRIP)
    place = f"{clinic.department_name} · {clinic.organisation_short}"
    for day in (one.day for one in strip if one.places):
        rows = await _open_windows(cx, clinic, day)
        if rows:
            lang = manner_of(request).lang
            at = f"{local_day(day, lang)} {local_time(rows[0]['starts_at'])}"
            return Link(
                label=name_of(clinic, words),
                note=words("%(place)s，最早 %(when)s", place=place, when=at),
                href=asked.href(clinic=clinic.id),
                icon="doctor",
            )
    return None


async def _open_windows(
    cx: Context, clinic: Clinic, day: date, me: UUID | None = None
) -> Sequence[Any]:
    """Return the windows of a day that can be had: open ones, draws and queues to enter."""
    windows = await lists.windows_of(cx, [clinic.id], day, (Pool.PUBLIC,))
    await mark_queued(cx, me, windows)
    rows = windows.get(clinic.id, ())
    return [row for row in rows if row["state"] == "open" and _may_be_had(row)]


def _may_be_had(row: Any) -> bool:
    queued = row["queue_id"] and row["first_opens_at"]
    return bool(row["open"] or queued) or row["release"] == "draw"


def _departments(asked: Asked, place: Place, words: Words) -> QuestionPage:
    shown = DEPARTMENTS[place.skip : place.skip + ROWS_MAX]
    following = place.skip + ROWS_MAX
    others = []
    if following < len(DEPARTMENTS):
        more = asked.href(step=DEPARTMENT, skip=following)
        others.append(Action(label=words("看别的科"), href=more))
    others.append(Action(label=words("都不是，我来打字找"), href=asked.href(step=TYPE)))
    if not asked.move:
        others.append(Action(label=words("不知道挂什么科"), href="/triage"))
    back = asked.href(step=DEPARTMENT, skip=place.skip - ROWS_MAX) if place.skip else "/book"
    return QuestionPage(
        title=words("要看哪个科？"),
        words="",
        rows=tuple(
            Link(label=words(name), note=words(note), href=asked.href(q=name))
            for name, note in shown
        ),
        others=tuple(others),
        back=back if place.skip or place.me else "/",
    )


def _areas(
    asked: Asked, place: Place, areas: Sequence[tuple[str, str]], words: Words
) -> QuestionPage:
    """Ask near which district; or go on without nearness."""
    following = place.skip + ROWS_MAX
    others = []
    if following < len(areas):
        others.append(Action(label=words("看别的区"), href=asked.href(skip=following)))
    anywhere = asked.href(q=far_too(asked.q)) if far_too(asked.q) else "/book?step=department"
    others.append(Action(label=words("不看远近"), href=anywhere))
    return QuestionPage(
        title=words("您在哪个区？"),
        words=words("离它近的先列出来。"),
        rows=tuple(
            Link(label=words(name), href=asked.href(area=code), icon="place")
            for code, name in areas[place.skip : following]
        ),
        others=tuple(others),
        back=asked.href(skip=max(place.skip - ROWS_MAX, 0))
        if place.skip
        else asked.href(q="", step=DEPARTMENT),
    )


def _typing(asked: Asked, words: Words, said: str) -> QuestionPage:
    return QuestionPage(
        title=words("想找哪里？"),
        words=said or words("打医院、科室或者医生的名字都行。"),
        rows=(),
        others=(Action(label=words("从科室里选"), href=asked.href(q="", step=DEPARTMENT)),),
        back=asked.href(q="", step=DEPARTMENT),
        typing=True,
        typed=asked.q,
        hidden=(("move", str(asked.move)),) if asked.move else (),
    )


async def _days(
    request: Request,
    cx: Context,
    asked: Asked,
    place: Place,
    clinics: Sequence[Clinic],
    words: Words,
) -> QuestionPage:
    today = clock.day_of(cx.now)
    strip = await finder.days_of(cx, [one.id for one in clinics], Asking((), today), STRIP)
    open_ = [one for one in strip if one.places]
    shown = open_[place.skip : place.skip + ROWS_MAX]
    following = place.skip + ROWS_MAX
    others = []
    if following < len(open_):
        more = asked.href(skip=following)
        others.append(Action(label=words("看后面的日子"), href=more))
    if asked.clinic is not None and await queue.is_open(cx, asked.clinic):
        others.append(Action(label=words("先排个队"), href=f"/queue/{asked.clinic}"))
    elif asked.clinic is not None and not open_:
        others += _without(asked, clinics[0], today, words)
    title = words("哪天方便？")
    if asked.clinic is not None:
        title = words("看%(doctor)s，哪天方便？", doctor=name_of(clinics[0], words))
    back = asked.href(skip=0) if place.skip else asked.href(q="", clinic=None, step="")
    if asked.q and asked.clinic is None and not place.skip:
        back = asked.href(q="", step=DEPARTMENT)
    return QuestionPage(
        title=title,
        words="" if open_ else words("这两周没有号了。"),
        rows=tuple(_day_row(request, asked, one, today, words) for one in shown),
        others=tuple(others),
        back=f"/bookings/{asked.move}" if asked.move and not place.skip else back,
    )


def _day_row(request: Request, asked: Asked, one: DayCount, today: date, words: Words) -> Link:
    near = {today: words("今天"), today + timedelta(days=1): words("明天")}.get(one.day, "")
    label = local_day(one.day, manner_of(request).lang)
    return Link(
        label=f"{near} {label}".strip(),
        note=words("还有 %(n)d 个号", n=one.places),
        href=asked.href(day=one.day),
    )


async def _doctors(
    request: Request,
    cx: Context,
    asked: Asked,
    place: Place,
    items: Sequence[Found],
    words: Words,
) -> QuestionPage:
    """Ask which doctor of those who have time on the day; each with the first time."""
    assert asked.day is not None
    ids = [one.clinic.id for one in items]
    windows = await lists.windows_of(cx, ids, asked.day, (Pool.PUBLIC,))
    lang = manner_of(request).lang
    rows = []
    for one in items:
        clinic = one.clinic
        free = [row for row in windows.get(clinic.id, ()) if row["state"] == "open"]
        first = next((row for row in free if _may_be_had(row)), None)
        if first is not None:
            about = (
                clinic.organisation_short,
                words("最早 %(time)s", time=local_time(first["starts_at"])),
                yuan(Money(clinic.fee_fen), lang),
            )
            rows.append(
                Link(
                    label=name_of(clinic, words),
                    note=" · ".join(about),
                    href=asked.href(clinic=clinic.id),
                    icon="doctor",
                )
            )
    following = place.skip + ROWS_MAX
    others = [Action(label=words("换一天"), href=asked.href(day=None))]
    if following < len(rows):
        others.insert(0, Action(label=words("看别的医生"), href=asked.href(skip=following)))
    return QuestionPage(
        title=words("找哪位医生？"),
        words=local_day(asked.day, lang),
        rows=tuple(rows[place.skip : following]),
        others=tuple(others),
        back=asked.href(skip=0) if place.skip else asked.href(day=None),
    )


async def _times(
    request: Request, cx: Context, asked: Asked, place: Place, clinic: Clinic, words: Words
) -> QuestionPage:
    assert asked.day is not None
    found = await _open_windows(cx, clinic, asked.day, place.me)
    following = place.skip + ROWS_MAX
    others = []
    if following < len(found):
        others.append(Action(label=words("看后面的时间"), href=asked.href(skip=following)))
    others.append(Action(label=words("换一天"), href=asked.href(day=None)))
    if not found:
        others += _without(asked, clinic, asked.day, words)
    day = local_day(asked.day, manner_of(request).lang)
    back = asked.href(clinic=None) if asked.q else asked.href(day=None)
    return QuestionPage(
        title=words("几点来？") if found else words("这天没有号了"),
        words=words("%(doctor)s，%(day)s", doctor=name_of(clinic, words), day=day),
        rows=tuple(_time_row(asked, row, words) for row in found[place.skip : following]),
        others=tuple(others),
        back=asked.href(skip=0) if place.skip else back,
    )


def _time_row(asked: Asked, row: Any, words: Words) -> Link:
    label = window(row["starts_at"], row["ends_at"])
    if row.get("queue_id"):
        return Link(label=label, note=words("先排个队"), href=f"/queue/{row['clinic_id']}")
    if row["release"] == "draw":
        return Link(label=label, note=words("摇号，不用抢"), href=f"/draws/of/{row['id']}")
    href = f"/book/{row['id']}" + (f"?move={asked.move}" if asked.move else "")
    return Link(label=label, note=words("还有 %(n)d 个号", n=row["open"]), href=href)


def _without(asked: Asked, clinic: Clinic, day: date, words: Words) -> list[Action]:
    """Offer the waiting list where nothing is left; not while moving: the old place is kept."""
    if asked.move:
        return []
    return [Action(label=words("排候补"), href=f"/wait/{clinic.id}?day={day}")]
