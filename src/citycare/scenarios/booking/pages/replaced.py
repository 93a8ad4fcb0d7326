"""After a stopped clinic: what happened, what was kept for the person, and their answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.scenarios.booking.model.core import State
from citycare.scenarios.booking.model.stop import Why
from citycare.scenarios.booking.pages.words import kept, place_of, until, when
from citycare.scenarios.booking.service import lists, stop
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.i18n import mark
from citycare.web.manner import Words, words_of
from citycare.web.parts import Action, NextStep
from citycare.web.respond import redirect
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
KEPT: dict[Why, str] = {
    Why.SAME_DOCTOR: mark("已经给您留了同一位医生的这个号，不用重新排。"),
    Why.SAME_HALF_DAY: mark("已经给您留了同一个半天、一样级别的这个号，不用重新排。"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What happened to a booking. `kept` and `until` only while an answer is awaited.

    `href` leads from a stopped booking to what was kept instead, if anything.
    """

    happened: str
    kept: str = ""
    until: str = ""
    href: str = ""


async def story_of(request: Request, cx: Context, booking: Any) -> Story | None:
    """Tell what a stop did to this booking, or None when nothing did."""
    words = words_of(request)
    if State(booking["state"]) is State.STOPPED:
        instead = await stop.replaced_by(cx, booking["id"])
        return Story(
            happened=_stopped(words, booking["reason"]),
            href=f"/bookings/{instead}" if instead else "",
        )
    if booking["source"] != "replacement":
        return None
    open_ = await stop.list_open_replacements(cx, booking["person_id"])
    found = next((one for one in open_ if one.booking_id == booking["id"]), None)
    if found is None:
        return None
    old, card = await lists.get_booking(cx, found.replaces)
    return Story(
        happened=words(
            "您原来约的 %(when)s（%(place)s）停诊了：%(why)s。",
            when=when(request, card),
            place=place_of(card, words),
            why=old["reason"],
        ),
        kept=words(KEPT[found.why]),
        until=until(request, found.answer_until, cx.now),
    )


def _stopped(words: Words, reason: str) -> str:
    return words("医生这个时间停诊了：%(why)s。", why=reason) if reason else words("医生停诊了。")


async def next_step(request: Request, cx: Context, person_id: UUID) -> NextStep | None:
    """Return the most urgent replacement to answer as the one thing to do now."""
    open_ = await stop.list_open_replacements(cx, person_id)
    if not open_:
        return None
    words = words_of(request)
    _, card = await lists.get_booking(cx, open_[0].booking_id)
    return NextStep(
        where=words("医生停诊，给您换了这个号"),
        title=when(request, card),
        note=words(
            "%(place)s · %(until)s 以前说一声就行，不说就按这个时间",
            place=place_of(card, words),
            until=until(request, open_[0].answer_until, cx.now),
        ),
        action=Action(label=words("看看行不行"), href=f"/bookings/{open_[0].booking_id}"),
    )


@router.post("/bookings/{booking_id}/keep", dependencies=[gate("booking.book")])
async def keep(request: Request, cx: WriteContext, booking_id: UUID) -> Response:
    """Keep what was kept: nobody asks again."""
    await stop.accept_replacement(cx, booking_id)
    text = kept(words_of(request))
    return redirect(request, f"/bookings/{booking_id}", notice=Toast(text=text))
