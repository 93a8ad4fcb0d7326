"""The waiting list at the window: join for whoever stands there, leave, take an offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context, Role, policy
from citycare.kit import clock
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.finder import Filters
from citycare.scenarios.booking.pages import staff
from citycare.scenarios.booking.service import desk as service
from citycare.scenarios.booking.service import finder, lists, wait
from citycare.web import forms
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.edge.errors import status_of
from citycare.web.i18n import mark
from citycare.web.manner import words_of
from citycare.web.parts import Option
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
CLERK = [Role.CLERK]
SHOWN = 6
Text = Annotated[str, Query(max_length=100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskWaitPage:
    """Whom to put on which list, from when until when."""

    person_id: UUID
    person: str
    want: str
    org: str
    clinics: tuple[Option, ...]
    values: Mapping[str, str]
    errors: Mapping[str, str]
    error: str
    back: str


@router.get("/desk/wait", dependencies=[gate("booking.wait", roles=CLERK)])
async def ask(
    request: Request,
    cx: WriteContext,
    person: UUID,
    want: Text = "",
    clinic: UUID | None = None,
    org: UUID | None = None,
) -> Response:
    """Show the clinics to wait for."""
    cx = staff.at_window(cx)
    today = clock.day_of(cx.now)
    horizon = int(await policy.value(cx, "booking.horizon_days"))
    form = forms.Form()
    form.values |= {
        "from_day": today.isoformat(),
        "to_day": (today + timedelta(days=horizon)).isoformat(),
        "clinic": str(clinic or ""),
        "want": want,
        "org": str(org or ""),
    }
    page = await _page(request, cx, person, form, None)
    return await respond(request, cx, "booking/desk_wait.html", page)


async def _page(
    request: Request, cx: Context, person_id: UUID, form: forms.Form, error: AppError | None
) -> DeskWaitPage:
    words = words_of(request)
    houses = await staff.workplaces(cx, Role.CLERK)
    asked = form.values.get("org", "")
    house = staff.chosen(houses, staff.id_of(asked))
    want, chosen = form.values.get("want", ""), form.values.get("clinic", "")
    wanted = staff.id_of(chosen)
    clinics = await lists.get_clinics(cx, [wanted]) if wanted else []
    if house is not None:
        answer = await finder.find_clinics(cx, want, Filters(organisation_id=house.id), limit=SHOWN)
        known = {one.id for one in clinics}
        clinics += [one.clinic for one in answer.items if one.clinic.id not in known]
        served = await service.customer(cx, person_id, house.id)
    lengths = await lists.waiting_lengths(cx, [one.id for one in clinics])
    return DeskWaitPage(
        person_id=person_id,
        person=f"{served.person.name} {staff.note_of(served.person, cx.now, words)}"
        if house
        else "",
        want=want,
        org=asked,
        clinics=tuple(
            Option(
                value=str(one.id),
                label=" ".join(filter(None, (
                    one.department_name, one.practitioner_name or words("普通门诊"), one.title))),
                note=words("现在 %(n)d 人在等", n=lengths.get(one.id, 0)),
                selected=str(one.id) == chosen,
            )
            for one in clinics
        ),
        values=form.values,
        errors={name: words(sentence) for name, sentence in form.errors.items()},
        error=staff.error_words(request, error) if error else "",
        back=staff.address("/desk", person=person_id, org=asked),
    )  # fmt: skip


@router.post("/desk/wait", dependencies=[gate("booking.wait", roles=CLERK)])
async def join(request: Request, cx: WriteContext) -> Response:
    """Put the person on the list."""
    cx = staff.at_window(cx)
    form = await forms.read(request)
    person = form.id("person")
    clinic = form.id("clinic")
    first, last = form.day("from_day"), form.day("to_day")
    error: AppError | None = None
    if person and clinic and first and last:
        try:
            async with cx.db.transaction():
                await wait.join(cx, person, clinic, first, last)
        except AppError as refused:
            error = refused
        else:
            text = words_of(request)(mark("排上了。有号会通知他，也可以到窗口来问。"))
            there = staff.address("/desk", person=person, org=form.values.get("org"))
            return redirect(request, there, notice=Toast(text=text))
    if person is None:
        return redirect(request, "/desk")
    page = await _page(request, cx, person, form, error)
    status = status_of(error) if error else 422
    return await respond(request, cx, "booking/desk_wait.html", page, status=status)


@router.post("/desk/waiting/{wait_id}/leave", dependencies=[gate("booking.wait", roles=CLERK)])
async def leave(request: Request, cx: WriteContext, wait_id: UUID, person: UUID) -> Response:
    """Take the person off the list; an open offer goes to the next."""
    await wait.leave(staff.at_window(cx), wait_id)
    text = words_of(request)(mark("不排了。"))
    return redirect(request, staff.address("/desk", person=person), notice=Toast(text=text))


@router.post("/desk/waiting/{wait_id}/accept", dependencies=[gate("booking.wait", roles=CLERK)])
async def accept(request: Request, cx: WriteContext, wait_id: UUID) -> Response:
    """Take the place that was kept for the person."""
    made = await wait.accept(staff.at_window(cx), wait_id)
    return redirect(request, f"/desk/bookings/{made.id}/slip")
