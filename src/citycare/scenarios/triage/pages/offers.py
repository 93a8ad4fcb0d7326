"""Places to go to, as rows of a page: doctors with open places, and emergency departments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from starlette.requests import Request

from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.scenarios.triage.model.dialogue import Dialogue
from citycare.scenarios.triage.model.entries import Urgency
from citycare.scenarios.triage.model.places import Emergency, Offer, Position
from citycare.scenarios.triage.pages.base import emergencies_of, places_of
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Link, Tag
from citycare.web.rendering import distance, local_day, local_time, yuan

SOON_ENOUGH = {Urgency.TODAY: timedelta(0), Urgency.WEEK: timedelta(days=6)}
CHILD_UNDER = 14
EMERGENCIES = 3


@dataclass(frozen=True, slots=True)
class Places:
    """Rows to book with; `late`: none of them is as soon as it should be."""

    rows: tuple[Link, ...]
    late: bool
    first_day: date | None


async def places(
    request: Request,
    cx: Context,
    made: Dialogue,
    code: str,
    *,
    urgency: Urgency,
    count: int,
    good_at: Sequence[str] = (),
    near: Position | None = None,
) -> Places:
    """Find open places of a department: soon enough ones first, else any."""
    find = places_of(request)
    until = None
    if urgency in SOON_ENOUGH:
        until = clock.day_of(cx.now) + SOON_ENOUGH[urgency]
    person = made.person_id if cx.actor.person_id is not None else None  # a clerk sees no history
    found = await find(cx, code, person, count, words=good_at, near=near, until=until)
    late = not found and until is not None
    if late:
        found = await find(cx, code, person, count, words=good_at, near=near)
    words = words_of(request)
    return Places(
        rows=tuple(_row(request, one, made.id, words) for one in found),
        late=late and bool(found),
        first_day=min((clock.day_of(one.starts_at) for one in found), default=None),
    )


def _row(request: Request, one: Offer, dialogue_id: UUID, words: Words) -> Link:
    lang = manner_of(request).lang
    when = f"{local_day(one.starts_at, lang)} {local_time(one.starts_at)}"
    far = words("约 %(far)s", far=distance(one.metres, lang)) if one.metres is not None else ""
    joiner = "&" if "?" in one.href else "?"
    general = f"{one.hospital} {words('普通门诊')}"  # many have one: the house tells them apart
    house = one.hospital if one.doctor else ""
    return Link(
        label=f"{one.doctor} {one.title}".strip() if one.doctor else general,
        note=" · ".join(filter(None, (when, house, far, yuan(one.fee, lang)))),
        href=f"{one.href}{joiner}from={dialogue_id}",
        icon="doctor",
        tag=_tag(one, words),
    )


def _tag(one: Offer, words: Words) -> Tag | None:
    if one.family:
        return Tag(text=words("您的家庭医生"))
    return Tag(text=words("您看过的医生")) if one.known else None


async def emergencies(
    request: Request, cx: Context, made: Dialogue, near: Position | None, *, fever: bool = False
) -> tuple[Emergency, ...]:
    """Find emergency departments or fever clinics; for a child where children are treated."""
    child = made.age_years is not None and made.age_years < CHILD_UNDER
    return await emergencies_of(request)(cx, EMERGENCIES, near=near, child=child, fever=fever)
