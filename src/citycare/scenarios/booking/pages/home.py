"""The resident's first page: what do I do now?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.scenarios.booking.model.core import State
from citycare.scenarios.booking.pages import replaced
from citycare.scenarios.booking.pages.words import booking_part, is_today, place_of, until, when
from citycare.scenarios.booking.service import holds, lists
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Action, Booking, Door, Link, NextStep
from citycare.web.portals import persons
from citycare.web.rendering import local_day
from citycare.web.respond import respond

router = APIRouter(include_in_schema=False)
SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """The next step, the doors, what comes after, doctors seen before, and a pause if any."""

    next_step: NextStep
    doors: tuple[Door, ...]
    bookings: tuple[Booking, ...]
    again: tuple[Link, ...]
    paused_until: Any
    signed_in: bool


@router.get("/", dependencies=[gate("booking.home", anonymous=True)])
async def home(request: Request, cx: WriteContext) -> Response:
    """Show the one thing to do now."""
    words = words_of(request)
    person = await persons.in_hand(request, cx)
    if person is None:
        page = HomePage(
            next_step=_welcome(words),
            doors=_doors(words, unread=0, offers=0),
            bookings=(),
            again=(),
            paused_until=None,
            signed_in=False,
        )
        return await respond(request, cx, "booking/home.html", page)
    return await respond(request, cx, "booking/home.html", await _page(request, cx, words, person))


async def _page(request: Request, cx: Context, words: Words, person: persons.InHand) -> HomePage:
    me = person.person_id
    upcoming = (await lists.list_mine(cx, me, upcoming=True, count=SHOWN)).items
    waits = await lists.list_waits(cx, me)
    offers = [one for one in waits if one["state"] == "offered"]
    unread = sum(one["read_at"] is None for one in await lists.list_messages(cx, me))
    hold = await holds.current(cx, me)
    _, seen = await lists.history_of(cx, me)
    clinics = await lists.get_clinics(cx, seen[:SHOWN])
    again = tuple(
        Link(
            label=" ".join(filter(None, (one.practitioner_name or words("普通门诊"), one.title))),
            href=f"/book?clinic={one.id}",
            note=f"{one.department_name} · {one.organisation_short}",
            icon="doctor",
        )
        for one in clinics
    )
    moved = await replaced.next_step(request, cx, me)
    step = moved or _next_step(request, cx, words, upcoming, offers)
    paused = hold.ends_at if hold else None
    if step.calm and paused:
        step, paused = _paused(request, paused, words), None
    told = step.action.href if step.action else ""
    return HomePage(
        next_step=step,
        doors=_doors(words, unread=unread, offers=len(offers), asked=await _asked(cx)),
        bookings=tuple(
            one for one in (booking_part(row, words) for row in upcoming) if one.href != told
        ),
        again=again,
        paused_until=paused,
        signed_in=True,
    )


def _welcome(words: Words) -> NextStep:
    return NextStep(
        title=words("约一个准确的时间"),
        note=words("每个时段不超过半小时，到点来，少排队。"),
        action=Action(label=words("开始预约"), href="/book", icon="booking"),
        calm=True,
    )


def _paused(request: Request, ends_at: datetime, words: Words) -> NextStep:
    """Lead who may not book online to what they can do instead."""
    return NextStep(
        where=words("多次约了没有来"),
        title=words("线上预约暂停"),
        note=words(
            "到 %(day)s 自动恢复。急着看病，带证件到医院窗口挂号。",
            day=local_day(ends_at, manner_of(request).lang),
        ),
        action=Action(label=words("申诉"), href="/appeal"),
    )


def _next_step(request: Request, cx: Context, words: Words, upcoming: Any, offers: Any) -> NextStep:
    if offers:
        offer = offers[0]
        return NextStep(
            where=words("候补有号了"),
            title=when(request, offer),
            note=words(
                "%(place)s · 给您留到%(until)s",
                place=place_of(offer, words),
                until=until(request, offer["offer_until"], cx.now),
            ),
            action=Action(label=words("看看要不要"), href=f"/waiting/{offer['id']}"),
        )
    if upcoming:
        row = upcoming[0]
        where = words("今天") if is_today(row, cx.now) else words("您的下一次就诊")
        room = " · ".join(filter(None, (place_of(row, words), row["room"])))
        arrived = row["state"] == State.ARRIVED
        return NextStep(
            where=where,
            title=words("您已报到，等叫号") if arrived else when(request, row),
            note=words("%(place)s · 第 %(n)d 号", place=room, n=row["number"]),
            action=Action(label=words("查看预约"), href=f"/bookings/{row['id']}"),
        )
    return _welcome(words)


async def _asked(cx: Context) -> int:
    """Count who asks to act for the signed-in person or their children."""
    me = cx.actor.person_id
    return len(await identity.list_to_answer(cx, me)) if me is not None else 0


def _doors(words: Words, *, unread: int, offers: int, asked: int = 0) -> tuple[Door, ...]:
    return (
        Door(label=words("我不舒服"), href="/triage", icon="pulse"),
        Door(label=words("预约挂号"), href="/book", icon="booking"),
        Door(
            label=words("我的预约"),
            href="/bookings",
            icon="list",
            count=words("候补有号") if offers else "",
        ),
        Door(
            label=words("消息"),
            href="/messages",
            icon="mail",
            count=words("%(n)d 条新", n=unread) if unread else "",
        ),
        Door(
            label=words("家人和我"),
            href="/me/family" if asked else "/me",
            icon="family",
            count=words("%(n)d 个请求", n=asked) if asked else "",
        ),
    )
