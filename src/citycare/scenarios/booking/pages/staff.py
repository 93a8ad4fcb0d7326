"""What the pages for staff share: the workplace, people's short notes, errors with their code."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request

from citycare.kernel import identity
from citycare.kernel.context import Channel, Context, Role
from citycare.kit import clock
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import Pool
from citycare.web import i18n
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of
from citycare.web.rendering import local_time, weekday

SEXES = {
    identity.Sex.FEMALE: mark("女"),
    identity.Sex.MALE: mark("男"),
    identity.Sex.UNKNOWN: mark("性别不详"),
}
POOLS = {
    Pool.PUBLIC: mark("公开"),
    Pool.REFERRAL: mark("转诊"),
    Pool.ONSITE: mark("现场"),
    Pool.ELDER: mark("长者"),
    Pool.FOLLOWUP: mark("复诊"),
}
CHANNELS = {
    Channel.PHONE: mark("手机"),
    Channel.KIOSK: mark("自助机"),
    Channel.WINDOW: mark("窗口"),
    Channel.TELEPHONE: mark("电话"),
    Channel.VOLUNTEER: mark("志愿者"),
    Channel.HOSPITAL: mark("医疗机构"),
}
INFANT = 2
MONTHS = 12


def at_window(cx: Context) -> Context:
    """Return the same context with the window as its channel: whoever stands there is on site."""
    return replace(cx, channel=Channel.WINDOW)


async def workplaces(cx: Context, *roles: Role) -> list[identity.Organisation]:
    """Return where the actor works in one of these roles: all of the city for a city-wide grant."""
    granted = [grant for grant in cx.actor.grants if grant.role in roles]
    if any(grant.organisation_id is None for grant in granted):
        return await identity.list_organisations(cx)
    own = {grant.organisation_id for grant in granted if grant.organisation_id}
    return await identity.list_organisations(cx, own) if own else []


def chosen(places: list[identity.Organisation], asked: UUID | None) -> identity.Organisation | None:
    """Return the workplace asked for, else the first; None where there is none at all."""
    return next((one for one in places if one.id == asked), places[0] if places else None)


def age_words(born_on: date, day: date, words: Words) -> str:
    """Write an age: '67', below two years '8 个月'."""
    years = identity.age_on(born_on, day)
    if years >= INFANT:
        return str(years)
    months = (day.year - born_on.year) * MONTHS + day.month - born_on.month
    return words("%(n)d 个月", n=max(0, months - (day.day < born_on.day)))


def note_of(person: identity.Person, now: datetime, words: Words) -> str:
    """Write '女 67'."""
    return f"{words(SEXES[person.sex])} {age_words(person.born_on, clock.day_of(now), words)}"


def clinic_name(row: Any, words: Words) -> str:
    """Write '心血管内科 · 陈立 主任医师'; a general clinic has no doctor."""
    doctor = " ".join(filter(None, (row["practitioner_name"], row["title"])))
    return f"{row['department_name']} · {doctor or words('普通门诊')}"


def error_words(request: Request, error: AppError) -> str:
    """Write what went wrong with its stable code, which a colleague can look up."""
    return f"{i18n.words_of(error, manner_of(request).lang)} [{error.code}]"


def id_of(text: str | None) -> UUID | None:
    """Read an id that stood in a hidden field; None when it is empty or none at all."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def address(path: str, **query: object) -> str:
    """Write an address, leaving out what is empty."""
    kept = {name: str(value) for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(kept)}" if kept else path


def short_when(request: Request, row: Any, today: date) -> str:
    """Write '今天 8:30' or '11-26 周四 8:30'."""
    day = clock.day_of(row["starts_at"])
    lang = manner_of(request).lang
    if day == today:
        return f"{i18n.translations(lang).gettext(mark('今天'))} {local_time(row['starts_at'])}"
    return f"{day:%m-%d} {weekday(day, lang)} {local_time(row['starts_at'])}"
