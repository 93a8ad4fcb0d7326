"""The waiting room before a release: where one stands, for how long, and on to choosing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.scenarios.booking.model.queue import Standing
from citycare.scenarios.booking.model.schedule import ClinicUnknown
from citycare.scenarios.booking.pages.mine import person_in_hand
from citycare.scenarios.booking.service import lists, queue
from citycare.scenarios.booking.service.draw import keys_in
from citycare.web.edge import edge_of
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.i18n import mark
from citycare.web.manner import Words, words_of
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
MINUTE_S = 60
ROOM = "booking/queue.html"
PART = "booking/_queue.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomPage:
    """One clinic's release, and where a person stands. `joined` is False before joining."""

    clinic_id: UUID
    place: str
    person: str
    opens_at: datetime
    joined: bool
    drawing: bool
    drawn: bool
    position: int
    ahead: int
    left: int
    about: str
    over: bool
    again_s: int
    back: str
    wait_href: str


@router.get("/queue/{clinic_id}", dependencies=[gate("booking.book")])
async def room(request: Request, cx: WriteContext, clinic_id: UUID) -> Response:
    """Show where a person stands; who may choose now is sent on to do so."""
    person = await person_in_hand(request, cx)
    keys = keys_in(edge_of(request).site.home)
    found, mine = await queue.standing_of(cx, keys, clinic_id, person.person_id)
    onward = f"/book?clinic={clinic_id}"
    if found is None:
        return redirect(request, onward)
    if mine is not None and mine.admitted:
        words = words_of(request)
        minutes = max(1, found["use_s"] // MINUTE_S)
        text = words("轮到您了。请在 %(n)d 分钟内选好时间。", n=minutes)
        return redirect(request, onward, notice=Toast(text=text))
    place = await _place(request, cx, clinic_id)
    page = _page(words_of(request), clinic_id, place, person.name, found["opens_at"], mine, cx.now)
    return await respond(request, cx, ROOM, page, partial=PART)


@router.post("/queue/{clinic_id}", dependencies=[gate("booking.book")])
async def join(request: Request, cx: WriteContext, clinic_id: UUID) -> Response:
    """Put the person in the queue; who stands there already keeps the place."""
    person = await person_in_hand(request, cx)
    await queue.join(cx, keys_in(edge_of(request).site.home), clinic_id, person.person_id)
    return redirect(request, f"/queue/{clinic_id}")


async def _place(request: Request, cx: Context, clinic_id: UUID) -> str:
    clinics = await lists.get_clinics(cx, [clinic_id])
    if not clinics:
        raise ClinicUnknown(clinic=clinic_id)
    doctor = clinics[0].practitioner_name or words_of(request)(mark("普通门诊"))
    return f"{doctor} · {clinics[0].department_name} · {clinics[0].organisation_short}"


def _page(
    words: Words,
    clinic_id: UUID,
    place: str,
    person: str,
    opens_at: datetime,
    mine: Standing | None,
    now: datetime,
) -> RoomPage:
    joined = mine is not None and not mine.used and not mine.expired
    ahead = mine.ahead if mine is not None and mine.ahead is not None else 0
    return RoomPage(
        clinic_id=clinic_id,
        place=place,
        person=person,
        opens_at=opens_at,
        joined=joined,
        drawing=now >= opens_at,
        drawn=joined and mine is not None and mine.position is not None,
        position=ahead + 1,
        ahead=ahead,
        left=mine.left if mine is not None else 0,
        about=_about(words, mine.wait_s if mine is not None else None),
        over=joined and mine is not None and _over(mine),
        again_s=mine.poll_s if mine is not None else 0,
        back=f"/book?clinic={clinic_id}",
        wait_href=f"/wait/{clinic_id}?day={clock.day_of(now)}",
    )


def _over(mine: Standing) -> bool:
    """Tell whether nothing is left and nobody is choosing: then nobody else will be let in."""
    return mine.position is not None and mine.left == 0 and mine.wait_s is None


def _about(words: Words, wait_s: int | None) -> str:
    """Write a wait as people say it."""
    if wait_s is None:
        return ""
    if wait_s < MINUTE_S:
        return words("不到 1 分钟")
    return words("最多 %(n)d 分钟", n=-(-wait_s // MINUTE_S))
